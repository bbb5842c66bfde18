/* ref.c: names, and references to models: "name", "name:3", "name@alias". */
#include <string.h>

#include "store/inside.h"

static bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/* Bytes of `text` that may stand in a name, from its beginning. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    if (!is_plain(text[0]))
        return 0;
    while (is_plain(text[n]) || text[n] == '.' || text[n] == '_' || text[n] == '-')
        n++;
    return n;
}

sw_status sw_store_check_name(const char *what, const char *name)
{
    size_t length = name ? name_length(name) : 0;
    if (length == 0 || name[length] != '\0' || length > SW_STORE_NAME_MAX)
        return sw_fail(SW_INVALID,
                       "%s name '%.140s': needs 1 to %d of A-Z a-z 0-9 . _ -, beginning with a letter or a digit", what,
                       name ? name : "", SW_STORE_NAME_MAX);
    return SW_OK;
}

/* Decimal digits from 1 up to 2^63 - 1, and nothing else. */
static bool parse_number(const char *text, int64_t *number)
{
    int64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value))
            return false;
    *number = value;
    return value >= 1;
}

sw_status sw_model_ref_parse(const char *text, sw_model_ref *ref)
{
    *ref = (sw_model_ref){0};
    size_t length = name_length(text);
    const char *rest = text + length;
    if (length == 0 || length > SW_STORE_NAME_MAX || (*rest != '\0' && *rest != ':' && *rest != '@'))
        return sw_fail(SW_INVALID, "'%.140s' is no model: write name, name:3 or name@alias", text);
    memcpy(ref->model, text, length);
    if (*rest == ':' && !parse_number(rest + 1, &ref->version))
        return sw_fail(
            SW_INVALID,
            "model '%.140s': '%.40s' is no version; versions are numbers from 1 (an alias is written %s@NAME)", text,
            rest + 1, ref->model);
    if (*rest == '@') {
        SW_TRY(sw_store_check_name("alias", rest + 1));
        strcpy(ref->alias, rest + 1);
    }
    return SW_OK;
}
