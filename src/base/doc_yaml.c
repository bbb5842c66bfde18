/* doc_yaml.c: libyaml's events become the document tree.
 *
 * Scalars follow YAML 1.2's core schema: null, ~, true, false, decimal, 0x and 0o integers, floats; "yes", "on"
 * and 1:30 stay text, so that a country code is never a boolean. Anchors, aliases, tags, further documents and
 * keys that are not scalars are refused. Depth is limited here and not by the stack. */
#include <string.h>
#include <yaml.h>

#include "base/doc_inside.h"

struct yaml_reader {
    struct doc_reader base;
    yaml_parser_t parser;
    yaml_event_t event;
    bool held; /* event must be deleted */
};

static sw_status next(struct yaml_reader *reader)
{
    if (reader->held)
        yaml_event_delete(&reader->event);
    reader->held = false;
    if (yaml_parser_parse(&reader->parser, &reader->event)) {
        reader->held = true;
        return SW_OK;
    }
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return sw_fail(SW_NO_MEMORY, "%s: no memory for reading", reader->base.source);
    sw_doc at = {.source = reader->base.source,
                 .line = (int)parser->problem_mark.line + 1,
                 .column = (int)parser->problem_mark.column + 1};
    return sw_doc_fail(&at, "%s%s%s", parser->problem ? parser->problem : "not YAML", parser->context ? " " : "",
                       parser->context ? parser->context : "");
}

static sw_status refuse(struct yaml_reader *reader, const char *what)
{
    sw_doc at = {.source = reader->base.source,
                 .line = (int)reader->event.start_mark.line + 1,
                 .column = (int)reader->event.start_mark.column + 1};
    return sw_doc_fail(&at, "%s", what);
}

static sw_status node_here(struct yaml_reader *reader, sw_doc_kind kind, sw_doc **node)
{
    sw_status status;
    *node = sw_doc_node(&reader->base, kind, (int)reader->event.start_mark.line + 1,
                        (int)reader->event.start_mark.column + 1, &status);
    return status;
}

static void resolve(sw_doc *node)
{
    const char *text = node->string;
    node->kind = SW_DOC_STRING;
    if (node->quoted)
        return;
    if (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
        node->kind = SW_DOC_NULL;
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        node->kind = SW_DOC_BOOL;
        node->boolean = *text == 't';
    } else if (sw_doc_parse_int(text, &node->integer)) {
        node->kind = SW_DOC_INT;
        node->number = (double)node->integer;
    } else if (sw_doc_parse_number(text, &node->number))
        node->kind = SW_DOC_NUMBER;
}

static sw_status read_scalar(struct yaml_reader *reader, sw_doc **node)
{
    if (reader->event.data.scalar.anchor)
        return refuse(reader, "anchors are not used here");
    if (reader->event.data.scalar.tag)
        return refuse(reader, "tags are not used here");
    SW_TRY(node_here(reader, SW_DOC_STRING, node));
    const char *text = (const char *)reader->event.data.scalar.value;
    size_t length = reader->event.data.scalar.length;
    if (memchr(text, '\0', length))
        return refuse(reader, "text holds a NUL");
    (*node)->string = sw_arena_strndup(reader->base.arena, text, length);
    if (!(*node)->string)
        return sw_alloc_status();
    (*node)->quoted = reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    resolve(*node);
    return SW_OK;
}

static sw_status read_value(struct yaml_reader *reader, sw_doc **node);

static sw_status read_key(struct yaml_reader *reader, struct doc_children *children)
{
    sw_context *ctx = sw_arena_context(reader->base.arena);
    sw_doc *key;
    if (reader->event.type != YAML_SCALAR_EVENT)
        return refuse(reader, "a key must be text");
    SW_TRY(read_scalar(reader, &key));
    for (size_t i = 0; i < children->keys.count; i++)
        if (strcmp(children->keys.items[i], key->string) == 0)
            return sw_doc_fail(key, "the key '%s' stands here for the second time (first in line %d)", key->string,
                               children->key_at.items[i]->line);
    SW_TRY(sw_vec_push(ctx, &children->keys, key->string));
    SW_TRY(sw_vec_push(ctx, &children->key_at, key));
    return next(reader);
}

static sw_status read_children(struct yaml_reader *reader, sw_doc *into, struct doc_children *children)
{
    yaml_event_type_t end = into->kind == SW_DOC_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    SW_TRY(next(reader));
    while (reader->event.type != end) {
        sw_doc *item;
        if (into->kind == SW_DOC_MAP)
            SW_TRY(read_key(reader, children));
        SW_TRY(read_value(reader, &item));
        SW_TRY(sw_vec_push(sw_arena_context(reader->base.arena), &children->items, item));
        SW_TRY(next(reader));
    }
    return sw_doc_settle(&reader->base, children, into);
}

static sw_status read_group(struct yaml_reader *reader, sw_doc_kind kind, sw_doc **node)
{
    if (++reader->base.depth > SW_DOC_MAX_DEPTH)
        return refuse(reader, "nested too deeply (64 levels are read)");
    SW_TRY(node_here(reader, kind, node));
    struct doc_children children = {0};
    sw_status status = read_children(reader, *node, &children);
    sw_doc_children_free(&reader->base, &children);
    reader->base.depth--;
    return status;
}

static sw_status read_value(struct yaml_reader *reader, sw_doc **node)
{
    const yaml_event_t *event = &reader->event;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, node);
    case YAML_ALIAS_EVENT:
        return refuse(reader, "aliases are not used here");
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
            return refuse(reader, "anchors and tags are not used here");
        return read_group(reader, SW_DOC_LIST, node);
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
            return refuse(reader, "anchors and tags are not used here");
        return read_group(reader, SW_DOC_MAP, node);
    default:
        return refuse(reader, "a value is missing");
    }
}

static sw_status read_stream(struct yaml_reader *reader, sw_doc **doc)
{
    do
        SW_TRY(next(reader));
    while (reader->event.type == YAML_STREAM_START_EVENT || reader->event.type == YAML_DOCUMENT_START_EVENT);
    if (reader->event.type == YAML_STREAM_END_EVENT) /* an empty file, or comments only */
        return node_here(reader, SW_DOC_NULL, doc);
    SW_TRY(read_value(reader, doc));
    SW_TRY(next(reader)); /* the end of the document */
    SW_TRY(next(reader));
    return reader->event.type == YAML_STREAM_END_EVENT ? SW_OK
                                                       : refuse(reader, "a second document begins here; one is read");
}

sw_status sw_doc_yaml(sw_arena *arena, const char *source, const char *text, size_t size, sw_doc **doc)
{
    if (size > SW_DOC_MAX_BYTES)
        return sw_fail(SW_INVALID, "%s: has %zu bytes, at most %zu are read", source, size, SW_DOC_MAX_BYTES);
    struct yaml_reader reader = {.base = {.arena = arena, .source = sw_arena_strdup(arena, source)}};
    if (!reader.base.source)
        return sw_alloc_status();
    if (!yaml_parser_initialize(&reader.parser))
        return sw_fail(SW_NO_MEMORY, "%s: no memory for reading", source);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    *doc = NULL;
    sw_status status = read_stream(&reader, doc);
    if (reader.held)
        yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return status;
}
