/* base/doc.h: YAML and JSON documents as a small tree whose every node knows its line and column.
 *
 * Recipes, configuration and the control plane's JSON are all read into this one tree (libyaml for YAML,
 * jansson for JSON), so that "unknown key" can say where. Limits: 16 MiB of text, depth 64, 1,000,000 nodes;
 * YAML anchors and aliases are refused (they can blow up). The tree lives in an arena. Uses: arena.h. */
#ifndef SW_BASE_DOC_H
#define SW_BASE_DOC_H

#include "base/arena.h"

typedef enum sw_doc_kind {
    SW_DOC_NULL,
    SW_DOC_BOOL,
    SW_DOC_INT,
    SW_DOC_NUMBER,
    SW_DOC_STRING,
    SW_DOC_LIST,
    SW_DOC_MAP
} sw_doc_kind;

typedef struct sw_doc {
    sw_doc_kind kind;
    int line, column;   /* from 1; JSON: of the value where known, else 0 */
    const char *source; /* file name for messages */
    const char *string; /* the scalar's text, for every scalar kind ("1e-3", "true", …) */
    bool boolean;
    bool quoted;            /* a string that was quoted */
    int64_t integer;        /* SW_DOC_INT */
    double number;          /* SW_DOC_INT and SW_DOC_NUMBER */
    int count;              /* children */
    const char **keys;      /* SW_DOC_MAP: count keys, in the file's order; no duplicates */
    struct sw_doc **items;  /* SW_DOC_MAP and SW_DOC_LIST */
    struct sw_doc **key_at; /* SW_DOC_MAP: where each key stands */
} sw_doc;

/* `source` names the text in messages ("recipe.yaml:7:5: …"). SW_INVALID on malformed text. */
sw_status sw_doc_yaml(sw_arena *arena, const char *source, const char *text, size_t size, sw_doc **doc);
sw_status sw_doc_json(sw_arena *arena, const char *source, const char *text, size_t size, sw_doc **doc);
/* By the file's name: .json or YAML. */
sw_status sw_doc_file(sw_arena *arena, const char *path, sw_doc **doc);

const sw_doc *sw_doc_get(const sw_doc *map, const char *key); /* NULL when absent or not a map */
/* SW_INVALID "recipe.yaml:7:5: <format>" */
sw_status sw_doc_fail(const sw_doc *at, const char *format, ...) SW_PRINTF(2, 3);

/* A scalar's text as a number in the C locale; the whole text must be one. */
bool sw_doc_parse_int(const char *text, int64_t *value);
bool sw_doc_parse_number(const char *text, double *value);

/* One schema table for every document: keys, types, targets. An unknown key is an error with its line and the
 * nearest known key ("did you mean 'conv'?"). */
typedef enum sw_field_type {
    SW_FIELD_STRING,
    SW_FIELD_INT,
    SW_FIELD_NUMBER,
    SW_FIELD_BOOL,
    SW_FIELD_ANY
} sw_field_type;
typedef struct sw_field {
    const char *key;
    sw_field_type type;
    size_t offset; /* into the target struct: const char *, int64_t, double, bool, const sw_doc * */
    bool required;
    double low, high; /* for INT and NUMBER when low < high: inclusive bounds */
} sw_field;
/* Reads `map` into `target`; keys that are absent leave the target as it is. */
sw_status sw_doc_read(const sw_doc *map, const sw_field *fields, int count, void *target);

/* The nearest of `names` within two edits of `word`, or NULL: for "did you mean". */
const char *sw_nearest(const char *word, const char *const *names, int count);

#endif
