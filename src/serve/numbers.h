/* serve/numbers.h: numbers as JSON text, both ways, fast: a request of a thousand numbers is mostly this.
 * Independent of the process's locale. Uses: nothing. */
#ifndef SW_SERVE_NUMBERS_H
#define SW_SERVE_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number as it stands in the text, before it gets a type. */
typedef struct sw_numeral {
    const char *text;
    size_t size;
    bool negative;
    bool whole;      /* no fraction and no exponent */
    bool exact;      /* `digits` holds all of them */
    uint64_t digits; /* value = digits * 10^exponent when exact */
    int exponent;
} sw_numeral;

/* Reads the JSON number at `text` (which ends in a byte that no number holds); also NaN, Infinity, -Infinity, which
 * JSON lacks and clients send: then `exact` and `whole` are false and `digits` is 0. False when none stands there. */
bool sw_numeral_read(const char *text, sw_numeral *numeral);

/* The nearest double. */
double sw_numeral_f64(const sw_numeral *numeral);
/* The nearest float, but for texts within 2^-40 of the middle between two. */
float sw_numeral_f32(const sw_numeral *numeral);
/* Whole and within the type's range: true. */
bool sw_numeral_i64(const sw_numeral *numeral, int64_t *value);
bool sw_numeral_u64(const sw_numeral *numeral, uint64_t *value);

#define SW_NUMBER_MAX 32
/* The fewest digits that read back equal (for doubles: 15, 16 or 17 where more than a few are needed); NaN, Infinity
 * and -Infinity as such. `text` has room for SW_NUMBER_MAX bytes. Returns the bytes written, without NUL. */
int sw_number_write_f32(char *text, float value);
int sw_number_write_f64(char *text, double value);
int sw_number_write_i64(char *text, int64_t value);
int sw_number_write_u64(char *text, uint64_t value);

#endif
