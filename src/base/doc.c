/* doc.c: looking things up in a document, and reading a map into a struct by a table.
 *
 * Every complaint about a document goes through sw_doc_fail, so every one begins with file, line and column.
 * This file knows no format: doc_yaml.c and doc_json.c make the tree. */
#include "base/doc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/doc_inside.h"
#include "base/file.h"

const sw_doc *sw_doc_get(const sw_doc *map, const char *key)
{
    if (!map || map->kind != SW_DOC_MAP)
        return NULL;
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

sw_status sw_doc_fail(const sw_doc *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_vfail(SW_INVALID, format, args);
    va_end(args);
    const char *source = at->source ? at->source : "document";
    if (at->line == 0)
        return sw_fail_in(SW_INVALID, "%s", source);
    return sw_fail_in(SW_INVALID, "%s:%d:%d", source, at->line, at->column);
}

sw_status sw_doc_file(sw_arena *arena, const char *path, sw_doc **doc)
{
    char *text;
    size_t size;
    sw_context *ctx = sw_arena_context(arena);
    SW_TRY(sw_file_read(ctx, path, SW_DOC_MAX_BYTES, &text, &size));
    size_t length = strlen(path);
    bool json = length >= 5 && strcmp(path + length - 5, ".json") == 0;
    const char *source = sw_arena_strdup(arena, path);
    sw_status status = !source ? sw_alloc_status()
                       : json  ? sw_doc_json(arena, source, text, size, doc)
                               : sw_doc_yaml(arena, source, text, size, doc);
    sw_free(ctx, text);
    return status;
}

/* Edits (insert, delete, replace, swap of neighbours) between two words, cut off at 3. */
static int edits(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t m = strlen(a), n = strlen(b);
    if (m >= LONGEST || n >= LONGEST || m > n + 2 || n > m + 2)
        return 3;
    unsigned char rows[3][LONGEST + 1]; /* rows of the distance table: i - 2, i - 1, i */
    unsigned char *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++)
        last[j] = (unsigned char)j;
    for (size_t i = 1; i <= m; i++) {
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= n; j++) {
            int least = last[j - 1] + (a[i - 1] != b[j - 1]);
            least = last[j] + 1 < least ? last[j] + 1 : least;
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < least)
                least = before[j - 2] + 1;
            row[j] = (unsigned char)least;
        }
        unsigned char *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[n] < 3 ? last[n] : 3;
}

const char *sw_nearest(const char *word, const char *const *names, int count)
{
    const char *best = NULL;
    int least = 3;
    for (int i = 0; i < count; i++) {
        int distance = edits(word, names[i]);
        /* Two edits make any two-letter word from any other. */
        if (distance < least && (size_t)distance < strlen(names[i])) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}

static sw_status unknown_key(const sw_doc *at, const char *key, const sw_field *fields, int count)
{
    enum { MOST = 128 };
    const char *names[MOST] = {0};
    int known = count < MOST ? count : MOST;
    for (int i = 0; i < known; i++)
        names[i] = fields[i].key;
    const char *nearest = sw_nearest(key, names, known);
    if (nearest)
        return sw_doc_fail(at, "unknown key '%s' (did you mean '%s'?)", key, nearest);
    char list[512] = "";
    size_t used = 0;
    for (int i = 0; i < known && used < sizeof list; i++) {
        int wrote = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return sw_doc_fail(at, "unknown key '%s' (known: %s)", key, list);
}

const char *sw_doc_kind_name(sw_doc_kind kind)
{
    static const char *const names[] = {"nothing", "true or false", "an integer", "a number",
                                        "text",    "a list",        "a map"};
    return names[kind];
}

static sw_status check_bounds(const sw_field *field, const sw_doc *value, double number)
{
    if (field->low < field->high && !(number >= field->low && number <= field->high))
        return sw_doc_fail(value, "'%s' is %s, needs %.15g to %.15g", field->key, value->string, field->low,
                           field->high);
    return SW_OK;
}

static sw_status read_field(const sw_field *field, const sw_doc *value, void *target)
{
    void *at = (char *)target + field->offset;
    bool scalar = value->kind != SW_DOC_LIST && value->kind != SW_DOC_MAP && value->kind != SW_DOC_NULL;
    switch (field->type) {
    case SW_FIELD_STRING:
        if (!scalar)
            return sw_doc_fail(value, "'%s' is %s, needs text", field->key, sw_doc_kind_name(value->kind));
        *(const char **)at = value->string;
        return SW_OK;
    case SW_FIELD_INT: {
        bool whole =
            value->kind == SW_DOC_NUMBER && value->number == floor(value->number) && fabs(value->number) < 0x1p53;
        if (value->kind != SW_DOC_INT && !whole)
            return sw_doc_fail(value, "'%s' is %s, needs an integer", field->key,
                               scalar ? value->string : sw_doc_kind_name(value->kind));
        SW_TRY(check_bounds(field, value, value->number));
        *(int64_t *)at = value->kind == SW_DOC_INT ? value->integer : (int64_t)value->number;
        return SW_OK;
    }
    case SW_FIELD_NUMBER:
        if (value->kind != SW_DOC_INT && value->kind != SW_DOC_NUMBER)
            return sw_doc_fail(value, "'%s' is %s, needs a number", field->key,
                               scalar ? value->string : sw_doc_kind_name(value->kind));
        SW_TRY(check_bounds(field, value, value->number));
        *(double *)at = value->number;
        return SW_OK;
    case SW_FIELD_BOOL:
        if (value->kind != SW_DOC_BOOL)
            return sw_doc_fail(value, "'%s' is %s, needs true or false", field->key,
                               scalar ? value->string : sw_doc_kind_name(value->kind));
        *(bool *)at = value->boolean;
        return SW_OK;
    case SW_FIELD_ANY:
        *(const sw_doc **)at = value;
        return SW_OK;
    }
    return sw_fail(SW_INTERNAL, "schema of '%s': unknown field type %d", field->key, (int)field->type);
}

sw_status sw_doc_read(const sw_doc *map, const sw_field *fields, int count, void *target)
{
    if (map->kind != SW_DOC_MAP)
        return sw_doc_fail(map, "is %s, needs a map", sw_doc_kind_name(map->kind));
    for (int i = 0; i < map->count; i++) {
        const sw_field *field = NULL;
        for (int j = 0; j < count && !field; j++)
            if (strcmp(fields[j].key, map->keys[i]) == 0)
                field = &fields[j];
        if (!field)
            return unknown_key(map->key_at[i], map->keys[i], fields, count);
        SW_TRY(read_field(field, map->items[i], target));
    }
    for (int j = 0; j < count; j++)
        if (fields[j].required && !sw_doc_get(map, fields[j].key))
            return sw_doc_fail(map, "the key '%s' is missing", fields[j].key);
    return SW_OK;
}
