/* serve/scan.h: JSON read in place, piece by piece, without building anything.
 *
 * The text ends in a NUL, which no token holds, so the scanner needs no bounds check per byte. Errors say line and
 * column. Depth is limited to 100. Uses: base/text.h. */
#ifndef SW_SERVE_SCAN_H
#define SW_SERVE_SCAN_H

#include "base/text.h"
#include "net/http.h"
#include "serve/numbers.h"

typedef struct sw_scan {
    const char *begin, *at, *end; /* *end is NUL */
} sw_scan;

/* A string's contents as they stand between the quotes. */
typedef struct sw_scan_text {
    sw_span raw;
    bool escaped; /* holds a backslash */
} sw_scan_text;

sw_scan sw_scan_of(const char *text, size_t size);

/* SW_INVALID "line 1, column 17: <format>", of where the scanner stands. */
sw_status sw_scan_fail(const sw_scan *s, const char *format, ...) SW_PRINTF(2, 3);
/* The next byte that is not blank, not taken; NUL at the end. */
char sw_scan_peek(sw_scan *s);
/* Takes `c` when it comes next. */
bool sw_scan_take(sw_scan *s, char c);
sw_status sw_scan_expect(sw_scan *s, char c, const char *where);
sw_status sw_scan_string(sw_scan *s, sw_scan_text *text);
sw_status sw_scan_number(sw_scan *s, sw_numeral *numeral);
sw_status sw_scan_bool(sw_scan *s, bool *value);
/* Any value at all. */
sw_status sw_scan_skip(sw_scan *s);
/* Nothing but blanks may follow. */
sw_status sw_scan_end(sw_scan *s);

/* Members of an object: `{` is taken by the first call. false at the closing brace (taken) or on an error, which is
 * put into *status. Begin with *first = true. */
bool sw_scan_member(sw_scan *s, bool *first, sw_scan_text *key, sw_status *status);
/* The same for the items of a list. */
bool sw_scan_item(sw_scan *s, bool *first, sw_status *status);

bool sw_scan_text_is(sw_scan_text text, const char *word); /* escaped texts are unescaped for it */
/* Writes the string's meaning to `out` (raw.size bytes are enough); how many bytes, or -1 for a bad escape. */
long sw_scan_unescape(sw_scan_text text, char *out);

#endif
