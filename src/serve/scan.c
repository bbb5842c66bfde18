/* The scanner: a position in a text and the few questions a reader of requests asks. */
#include "serve/scan.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 100, KEY_MAX = 256 };

sw_scan sw_scan_of(const char *text, size_t size)
{
    static const char nothing[] = "";
    return size ? (sw_scan){text, text, text + size} : (sw_scan){nothing, nothing, nothing};
}

sw_status sw_scan_fail(const sw_scan *s, const char *format, ...)
{
    char what[400];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    long line = 1;
    const char *start = s->begin;
    for (const char *p = s->begin; p < s->at; p++)
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    return sw_fail(SW_INVALID, "line %ld, column %ld: %s", line, (long)(s->at - start) + 1, what);
}

char sw_scan_peek(sw_scan *s)
{
    while (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r')
        s->at++;
    return *s->at;
}

bool sw_scan_take(sw_scan *s, char c)
{
    if (sw_scan_peek(s) != c || s->at == s->end)
        return false;
    s->at++;
    return true;
}

/* What stands here, for a message. */
static const char *found(const sw_scan *s, char text[32])
{
    if (s->at >= s->end)
        return "the end";
    unsigned char c = (unsigned char)*s->at;
    snprintf(text, 32, c >= 0x20 && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    return text;
}

sw_status sw_scan_expect(sw_scan *s, char c, const char *where)
{
    char text[32];
    if (sw_scan_take(s, c))
        return SW_OK;
    return sw_scan_fail(s, "expected '%c' %s, found %s", c, where, found(s, text));
}

sw_status sw_scan_string(sw_scan *s, sw_scan_text *text)
{
    char what[32];
    if (!sw_scan_take(s, '"'))
        return sw_scan_fail(s, "expected a string, found %s", found(s, what));
    const char *first = s->at, *p = first;
    text->escaped = false;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) {
            s->at = p;
            return sw_scan_fail(s, p >= s->end ? "a string without its closing quote" : "a control byte in a string");
        }
        if (*p == '\\') {
            text->escaped = true;
            if ((unsigned char)*++p < 0x20) {
                s->at = p;
                return sw_scan_fail(s, "a string without its closing quote");
            }
        }
    }
    text->raw = (sw_span){first, (size_t)(p - first)};
    s->at = p + 1;
    return SW_OK;
}

sw_status sw_scan_number(sw_scan *s, sw_numeral *numeral)
{
    char what[32];
    sw_scan_peek(s);
    if (!sw_numeral_read(s->at, numeral))
        return sw_scan_fail(s, "expected a number, found %s", found(s, what));
    s->at += numeral->size;
    return SW_OK;
}

static bool take_word(sw_scan *s, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0)
        return false;
    s->at += size;
    return true;
}

sw_status sw_scan_bool(sw_scan *s, bool *value)
{
    char what[32];
    sw_scan_peek(s);
    if ((*value = take_word(s, "true")) || take_word(s, "false"))
        return SW_OK;
    return sw_scan_fail(s, "expected true or false, found %s", found(s, what));
}

/* A value that is neither a list nor an object. */
static sw_status skip_scalar(sw_scan *s)
{
    char c = sw_scan_peek(s);
    sw_scan_text text;
    sw_numeral numeral;
    if (c == '"')
        return sw_scan_string(s, &text);
    if (take_word(s, "true") || take_word(s, "false") || take_word(s, "null"))
        return SW_OK;
    if (c == '-' || c == 'N' || c == 'I' || (c >= '0' && c <= '9'))
        return sw_scan_number(s, &numeral);
    char what[32];
    return sw_scan_fail(s, "expected a value, found %s", found(s, what));
}

sw_status sw_scan_skip(sw_scan *s)
{
    /* One bit per level says whether it is an object; no recursion, so no stack to overflow. */
    uint64_t objects[(DEPTH_MAX + 63) / 64] = {0};
    int depth = 0;
    bool fresh = false; /* just behind an opening bracket */
    sw_scan_text key;
    for (;;) {
        char c = sw_scan_peek(s);
        bool object = depth > 0 && objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
        if (fresh && c == (object ? '}' : ']')) {
            s->at++;
            depth--;
        } else {
            if (object) {
                SW_TRY(sw_scan_string(s, &key));
                SW_TRY(sw_scan_expect(s, ':', "behind a key"));
                c = sw_scan_peek(s);
            }
            if (c == '{' || c == '[') {
                if (depth == DEPTH_MAX)
                    return sw_scan_fail(s, "nested deeper than %d", DEPTH_MAX);
                s->at++;
                uint64_t bit = 1ull << (depth % 64);
                objects[depth / 64] = c == '{' ? objects[depth / 64] | bit : objects[depth / 64] & ~bit;
                depth++;
                fresh = true;
                continue;
            }
            SW_TRY(skip_scalar(s));
        }
        fresh = false;
        /* Behind a value: close what ends here, then a comma. */
        for (;;) {
            if (depth == 0)
                return SW_OK;
            object = objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
            if (!sw_scan_take(s, object ? '}' : ']'))
                break;
            depth--;
        }
        SW_TRY(sw_scan_expect(s, ',', object ? "or '}' in an object" : "or ']' in a list"));
    }
}

sw_status sw_scan_end(sw_scan *s)
{
    char what[32];
    sw_scan_peek(s);
    return s->at == s->end ? SW_OK : sw_scan_fail(s, "expected the end, found %s", found(s, what));
}

/* The next element of a list or an object: opening, comma or closing. */
static bool next(sw_scan *s, bool *first, char open, char close, sw_status *status)
{
    if (*first) {
        *status = sw_scan_expect(s, open, open == '{' ? "(an object)" : "(a list)");
        if (*status != SW_OK)
            return false;
    }
    bool was_first = *first;
    *first = false;
    if (sw_scan_take(s, close))
        return false;
    if (!was_first) {
        *status = sw_scan_expect(s, ',', open == '{' ? "or '}' in an object" : "or ']' in a list");
        if (*status != SW_OK)
            return false;
    }
    return true;
}

bool sw_scan_member(sw_scan *s, bool *first, sw_scan_text *key, sw_status *status)
{
    *status = SW_OK;
    if (!next(s, first, '{', '}', status))
        return false;
    *status = sw_scan_string(s, key);
    if (*status == SW_OK)
        *status = sw_scan_expect(s, ':', "behind a key");
    return *status == SW_OK;
}

bool sw_scan_item(sw_scan *s, bool *first, sw_status *status)
{
    *status = SW_OK;
    return next(s, first, '[', ']', status);
}

/* ---- strings ---- */

static int hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX at `p` (behind the u), pairs of surrogates included: bytes taken, or 0. */
static size_t escape_code(const char *p, const char *end, char *out, int *written)
{
    int code = end - p >= 4 ? hex4(p) : -1;
    if (code >= 0xd800 && code < 0xdc00) {
        int low = end - p >= 10 && p[4] == '\\' && p[5] == 'u' ? hex4(p + 6) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        *written = sw_utf8_encode((uint32_t)(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)), out);
        return 10;
    }
    *written = code > 0 ? sw_utf8_encode((uint32_t)code, out) : 0;
    return *written ? 4 : 0;
}

long sw_scan_unescape(sw_scan_text text, char *out)
{
    if (!text.escaped) {
        memcpy(out, text.raw.at, text.raw.size);
        return (long)text.raw.size;
    }
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *at = out;
    for (const char *p = text.raw.at, *end = p + text.raw.size; p < end; p++) {
        if (*p != '\\') {
            *at++ = *p;
            continue;
        }
        const char *known = strchr(from, *++p);
        int written = 0;
        size_t taken = 0;
        if (known && *known)
            *at++ = to[known - from];
        else if (*p != 'u' || (taken = escape_code(p + 1, end, at, &written)) == 0)
            return -1;
        p += taken;
        at += written;
    }
    return (long)(at - out);
}

bool sw_scan_text_is(sw_scan_text text, const char *word)
{
    if (!text.escaped)
        return sw_span_is(text.raw, word);
    char plain[KEY_MAX];
    if (text.raw.size > sizeof plain)
        return false;
    long size = sw_scan_unescape(text, plain);
    return size >= 0 && sw_span_is((sw_span){plain, (size_t)size}, word);
}
