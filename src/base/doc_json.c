/* doc_json.c: jansson's values become the document tree.
 *
 * jansson does not tell where a value stood, so only syntax errors carry line and column; messages about
 * values name the key. Its own recursion is limited to 2,048 levels, ours to 64. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/doc_inside.h"

static sw_status convert(struct doc_reader *reader, const json_t *value, sw_doc **node);

static sw_status convert_map(struct doc_reader *reader, const json_t *value, sw_doc *node,
                             struct doc_children *children)
{
    sw_context *ctx = sw_arena_context(reader->arena);
    const char *key;
    json_t *child;
    json_object_foreach((json_t *)value, key, child)
    {
        sw_doc *item;
        const char *copy = sw_arena_strdup(reader->arena, key);
        if (!copy)
            return sw_alloc_status();
        SW_TRY(convert(reader, child, &item));
        SW_TRY(sw_vec_push(ctx, &children->keys, copy));
        SW_TRY(sw_vec_push(ctx, &children->key_at, item));
        SW_TRY(sw_vec_push(ctx, &children->items, item));
    }
    return sw_doc_settle(reader, children, node);
}

static sw_status convert_list(struct doc_reader *reader, const json_t *value, sw_doc *node,
                              struct doc_children *children)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        sw_doc *item;
        SW_TRY(convert(reader, json_array_get(value, i), &item));
        SW_TRY(sw_vec_push(sw_arena_context(reader->arena), &children->items, item));
    }
    return sw_doc_settle(reader, children, node);
}

static sw_status convert_group(struct doc_reader *reader, const json_t *value, sw_doc *node)
{
    if (++reader->depth > SW_DOC_MAX_DEPTH)
        return sw_doc_fail(node, "nested too deeply (%d levels are read)", SW_DOC_MAX_DEPTH);
    struct doc_children children = {0};
    sw_status status = node->kind == SW_DOC_MAP ? convert_map(reader, value, node, &children)
                                                : convert_list(reader, value, node, &children);
    sw_doc_children_free(reader, &children);
    reader->depth--;
    return status;
}

static sw_status keep_text(struct doc_reader *reader, sw_doc *node, const char *text)
{
    node->string = sw_arena_strdup(reader->arena, text);
    return node->string ? SW_OK : sw_alloc_status();
}

static sw_status convert(struct doc_reader *reader, const json_t *value, sw_doc **out)
{
    static const sw_doc_kind kinds[] = {
        [JSON_OBJECT] = SW_DOC_MAP,  [JSON_ARRAY] = SW_DOC_LIST,  [JSON_STRING] = SW_DOC_STRING,
        [JSON_INTEGER] = SW_DOC_INT, [JSON_REAL] = SW_DOC_NUMBER, [JSON_TRUE] = SW_DOC_BOOL,
        [JSON_FALSE] = SW_DOC_BOOL,  [JSON_NULL] = SW_DOC_NULL};
    sw_status status;
    char number[40];
    sw_doc *node = *out = sw_doc_node(reader, kinds[json_typeof(value)], 0, 0, &status);
    if (!node)
        return status;
    switch (node->kind) {
    case SW_DOC_NULL:
        return keep_text(reader, node, "null");
    case SW_DOC_BOOL:
        node->boolean = json_is_true(value);
        return keep_text(reader, node, node->boolean ? "true" : "false");
    case SW_DOC_INT:
        node->integer = json_integer_value(value);
        node->number = (double)node->integer;
        snprintf(number, sizeof number, "%lld", (long long)node->integer);
        return keep_text(reader, node, number);
    case SW_DOC_NUMBER:
        node->number = json_real_value(value);
        snprintf(number, sizeof number, "%.17g", node->number);
        return keep_text(reader, node, number);
    case SW_DOC_STRING:
        node->quoted = true;
        return keep_text(reader, node, json_string_value(value));
    case SW_DOC_LIST:
    case SW_DOC_MAP:
        break;
    }
    return convert_group(reader, value, node);
}

sw_status sw_doc_json(sw_arena *arena, const char *source, const char *text, size_t size, sw_doc **doc)
{
    if (size > SW_DOC_MAX_BYTES)
        return sw_fail(SW_INVALID, "%s: has %zu bytes, at most %zu are read", source, size, SW_DOC_MAX_BYTES);
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory)
        return sw_fail(SW_NO_MEMORY, "%s: no memory for reading", source);
    if (!root) {
        sw_doc at = {
            .source = source, .line = error.line > 0 ? error.line : 0, .column = error.column > 0 ? error.column : 1};
        return sw_doc_fail(&at, "%s", error.text);
    }
    struct doc_reader reader = {.arena = arena, .source = sw_arena_strdup(arena, source)};
    *doc = NULL;
    sw_status status = reader.source ? convert(&reader, root, doc) : sw_alloc_status();
    json_decref(root);
    return status;
}
