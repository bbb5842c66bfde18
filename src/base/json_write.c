/* json_write.c: JSON into a sw_text. The writer knows commas, indents, escapes and how to spell a number so
 * that it reads back equal; it keeps no document. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void sw_json_begin(sw_json_writer *json, sw_text *text, bool pretty)
{
    *json = (sw_json_writer){.text = text, .pretty = pretty};
}

static void new_line(sw_json_writer *json)
{
    if (!json->pretty)
        return;
    sw_text_addn(json->text, "\n", 1);
    for (int i = 0; i < json->depth; i++)
        sw_text_addn(json->text, "  ", 2);
}

static void escape(sw_text *text, unsigned char c)
{
    switch (c) {
    case '"':
        sw_text_addn(text, "\\\"", 2);
        break;
    case '\\':
        sw_text_addn(text, "\\\\", 2);
        break;
    case '\n':
        sw_text_addn(text, "\\n", 2);
        break;
    case '\r':
        sw_text_addn(text, "\\r", 2);
        break;
    case '\t':
        sw_text_addn(text, "\\t", 2);
        break;
    default:
        sw_text_addf(text, "\\u%04x", c);
    }
}

static void quote(sw_text *text, const char *value)
{
    sw_text_addn(text, "\"", 1);
    const char *s = value, *plain = s, *end = s + strlen(s);
    while (*s) {
        int length = sw_utf8_decode(s, (size_t)(end - s), NULL);
        bool special = (unsigned char)*s < 0x20 || *s == '"' || *s == '\\';
        if (length && !special) {
            s += length;
            continue;
        }
        sw_text_addn(text, plain, (size_t)(s - plain));
        if (special)
            escape(text, (unsigned char)*s);
        else
            sw_text_addn(text, "\xEF\xBF\xBD", 3); /* U+FFFD */
        plain = ++s;
    }
    sw_text_addn(text, plain, (size_t)(s - plain));
    sw_text_addn(text, "\"", 1);
}

/* What stands before every value: comma, line, key. False when nesting went too deep. */
static bool before(sw_json_writer *json, const char *key)
{
    if (json->text->status != SW_OK)
        return false;
    if (json->comma[json->depth])
        sw_text_addn(json->text, ",", 1);
    json->comma[json->depth] = true;
    if (json->depth > 0)
        new_line(json);
    if (key) {
        quote(json->text, key);
        sw_text_addn(json->text, ": ", json->pretty ? 2 : 1);
    }
    return true;
}

void sw_json_open(sw_json_writer *json, const char *key, char bracket)
{
    if (!before(json, key))
        return;
    if (json->depth + 1 >= (int)(sizeof json->comma / sizeof *json->comma)) {
        json->text->status = sw_fail(SW_INVALID, "JSON: nesting deeper than 63");
        return;
    }
    sw_text_addn(json->text, &bracket, 1);
    json->comma[++json->depth] = false;
}

void sw_json_close(sw_json_writer *json, char bracket)
{
    if (json->depth == 0)
        return;
    bool filled = json->comma[json->depth--];
    if (filled)
        new_line(json);
    sw_text_addn(json->text, &bracket, 1);
}

void sw_json_string(sw_json_writer *json, const char *key, const char *value)
{
    if (!before(json, key))
        return;
    if (value)
        quote(json->text, value);
    else
        sw_text_addn(json->text, "null", 4);
}

void sw_json_int(sw_json_writer *json, const char *key, int64_t value)
{
    if (before(json, key))
        sw_text_addf(json->text, "%lld", (long long)value);
}

/* The embedding program may have set a locale whose decimal point is a comma. */
static void add_number(sw_text *text, char *digits)
{
    for (char *c = digits; *c; c++)
        if ((*c < '0' || *c > '9') && *c != '-' && *c != '+' && *c != 'e')
            *c = '.';
    sw_text_add(text, digits);
}

void sw_json_double(sw_json_writer *json, const char *key, double value)
{
    char digits[40];
    if (!isfinite(value)) {
        sw_json_null(json, key);
        return;
    }
    if (!before(json, key))
        return;
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (precision == 17 || strtod(digits, NULL) == value)
            break;
    }
    add_number(json->text, digits);
}

void sw_json_float(sw_json_writer *json, const char *key, float value)
{
    char digits[40];
    if (!isfinite(value)) {
        sw_json_null(json, key);
        return;
    }
    if (!before(json, key))
        return;
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (precision == 9 || strtof(digits, NULL) == value)
            break;
    }
    add_number(json->text, digits);
}

void sw_json_bool(sw_json_writer *json, const char *key, bool value)
{
    if (before(json, key))
        sw_text_add(json->text, value ? "true" : "false");
}

void sw_json_null(sw_json_writer *json, const char *key)
{
    if (before(json, key))
        sw_text_addn(json->text, "null", 4);
}

void sw_json_raw(sw_json_writer *json, const char *key, const char *value)
{
    if (before(json, key))
        sw_text_add(json->text, value);
}
