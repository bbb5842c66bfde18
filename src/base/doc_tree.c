/* doc_tree.c: nodes, children and scalars, as both readers need them. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/doc_inside.h"

sw_doc *sw_doc_node(struct doc_reader *reader, sw_doc_kind kind, int line, int column, sw_status *status)
{
    sw_doc at = {.source = reader->source, .line = line, .column = column, .kind = kind};
    if (++reader->nodes > SW_DOC_MAX_NODES) {
        *status = sw_doc_fail(&at, "more than %d values", SW_DOC_MAX_NODES);
        return NULL;
    }
    sw_doc *node = sw_arena_copy(reader->arena, &at, sizeof at);
    *status = node ? SW_OK : sw_alloc_status();
    return node;
}

sw_status sw_doc_settle(struct doc_reader *reader, struct doc_children *children, sw_doc *into)
{
    size_t count = children->items.count;
    into->count = (int)count;
    into->items = sw_arena_copy(reader->arena, children->items.items, count * sizeof *into->items);
    if (!into->items)
        return sw_alloc_status();
    if (into->kind != SW_DOC_MAP)
        return SW_OK;
    into->keys = sw_arena_copy(reader->arena, children->keys.items, count * sizeof *into->keys);
    into->key_at =
        into->keys ? sw_arena_copy(reader->arena, children->key_at.items, count * sizeof *into->key_at) : NULL;
    return into->key_at ? SW_OK : sw_alloc_status();
}

void sw_doc_children_free(struct doc_reader *reader, struct doc_children *children)
{
    sw_context *ctx = sw_arena_context(reader->arena);
    sw_vec_free(ctx, &children->keys);
    sw_vec_free(ctx, &children->items);
    sw_vec_free(ctx, &children->key_at);
}

bool sw_doc_parse_int(const char *text, int64_t *value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int base = digits[0] == '0' && digits[1] == 'x' ? 16 : digits[0] == '0' && digits[1] == 'o' ? 8 : 10;
    const char *first = base == 10 ? digits : digits + 2;
    static const char *const allowed[] = {[8] = "01234567", [10] = "0123456789", [16] = "0123456789abcdefABCDEF"};
    if (!*first || first[strspn(first, allowed[base])] || (base != 10 && digits != text))
        return false;
    errno = 0;
    *value = strtoll(base == 10 ? text : first, NULL, base);
    return errno == 0;
}

/* The C locale whatever the program has set: "0.5" must not become 0 where the point is a comma. */
static double to_double(const char *text, char **end)
{
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return strtod(text, end);
    double value = strtod_l(text, end, c);
    freelocale(c);
    return value;
}

/* [-+]? digits [. digits] [e digits], and YAML's .inf and .nan; not C's "inf", "nan" or hexadecimal floats. */
bool sw_doc_parse_number(const char *text, double *value)
{
    const char *body = text + (*text == '-' || *text == '+');
    if (strcmp(body, ".inf") == 0) {
        *value = *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (strcmp(text, ".nan") == 0) {
        *value = NAN;
        return true;
    }
    size_t whole = strspn(body, "0123456789"), fraction = 0;
    const char *at = body + whole;
    if (*at == '.') {
        fraction = strspn(at + 1, "0123456789");
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        size_t digits = strspn(at, "0123456789");
        if (!digits)
            return false;
        at += digits;
    }
    char *end;
    *value = to_double(text, &end);
    return *at == '\0' && *end == '\0';
}
