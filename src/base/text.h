/* base/text.h: growing text, and JSON written into it.
 *
 * A sw_text keeps its first error (out of memory) and ignores what follows, so a writer checks once, at the
 * end. JSON output is made here by a small writer that knows commas and escapes; JSON input is jansson's
 * (json.h). Uses: alloc.h. */
#ifndef SW_BASE_TEXT_H
#define SW_BASE_TEXT_H

#include "base/alloc.h"

typedef struct sw_text {
    sw_context *ctx;
    char *data; /* NUL-terminated whenever size > 0 */
    size_t size, capacity;
    sw_status status;
} sw_text;

void sw_text_init(sw_text *text, sw_context *ctx); /* allocates nothing */
void sw_text_free(sw_text *text);
void sw_text_clear(sw_text *text); /* keeps the memory */
void sw_text_add(sw_text *text, const char *s);
void sw_text_addn(sw_text *text, const void *bytes, size_t count);
void sw_text_addf(sw_text *text, const char *format, ...) SW_PRINTF(2, 3);
/* Hands the memory over (release with sw_free); "" becomes an allocated "". NULL on a kept error. */
char *sw_text_take(sw_text *text);

/* The character at `text` (`size` bytes are there): its length in bytes, 0 when it is not UTF-8 (overlong, surrogate,
 * beyond U+10FFFF, cut off). `code` may be NULL. */
int sw_utf8_decode(const char *text, size_t size, uint32_t *code);
/* 1 to 4 bytes into `text`, or 0 when `code` is no character. */
int sw_utf8_encode(uint32_t code, char text[4]);
bool sw_utf8_valid(const char *text, size_t size);

/* JSON into a sw_text. Calls nest as the document does; `key` is NULL inside lists. Strings are escaped and
 * must be UTF-8 (bad bytes become U+FFFD). Doubles print with the fewest digits that read back equal;
 * NaN and infinities become null. Depth is limited to 64. */
typedef struct sw_json_writer {
    sw_text *text;
    int depth;
    bool comma[64];
    bool pretty; /* two-space indent */
} sw_json_writer;

void sw_json_begin(sw_json_writer *json, sw_text *text, bool pretty);
void sw_json_open(sw_json_writer *json, const char *key, char bracket);        /* '{' or '[' */
void sw_json_close(sw_json_writer *json, char bracket);                        /* '}' or ']' */
void sw_json_string(sw_json_writer *json, const char *key, const char *value); /* NULL value: null */
void sw_json_int(sw_json_writer *json, const char *key, int64_t value);
void sw_json_double(sw_json_writer *json, const char *key, double value);
void sw_json_float(sw_json_writer *json, const char *key, float value); /* fewest digits for a float */
void sw_json_bool(sw_json_writer *json, const char *key, bool value);
void sw_json_null(sw_json_writer *json, const char *key);
/* `value` is JSON already. */
void sw_json_raw(sw_json_writer *json, const char *key, const char *value);

#endif
