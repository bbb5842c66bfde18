/* layer_read.c: from words to layers.
 *
 * The short form and the map are the same thing: pairs of an argument and its text, with a place each. So both
 * end in set_arg, and every complaint names the word's own line and column. */
#include <stdio.h>
#include <string.h>

#include "train/layer.h"

#define MOST_LAYERS 1000
#define DEEPEST 4

/* The names that something may have, for "did you mean". */
typedef struct names {
    const char *list[64];
    int count;
} names;

static sw_status unknown(const sw_doc *at, const char *what, const char *word, const names *known)
{
    const char *nearest = sw_nearest(word, known->list, known->count);
    if (nearest != NULL)
        return sw_doc_fail(at, "unknown %s '%s' (did you mean '%s'?)", what, word, nearest);
    char text[512] = "";
    size_t used = 0;
    for (int i = 0; i < known->count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "", known->list[i]);
    return sw_doc_fail(at, "unknown %s '%s' (known: %s)", what, word, text);
}

static sw_status find_kind(const sw_doc *at, const char *word, const sw_layer_kind **kind)
{
    names known = {.count = 0};
    for (int i = 0; i < sw_layer_kind_count; i++) {
        if (strcmp(sw_layer_kinds[i]->name, word) == 0) {
            *kind = sw_layer_kinds[i];
            return SW_OK;
        }
        known.list[known.count++] = sw_layer_kinds[i]->name;
    }
    return unknown(at, "layer", word, &known);
}

static const sw_layer_arg *arg_named(const sw_layer_kind *kind, const char *name, size_t length)
{
    for (const sw_layer_arg *a = kind->args; a != NULL && a->name != NULL; a++)
        if (strlen(a->name) == length && memcmp(a->name, name, length) == 0)
            return a;
    return NULL;
}

static sw_status unknown_arg(const sw_doc *at, const sw_layer_kind *kind, const char *name)
{
    names known = {.count = 0};
    for (const sw_layer_arg *a = kind->args; a != NULL && a->name != NULL; a++)
        known.list[known.count++] = a->name;
    if (known.count == 0)
        return sw_doc_fail(at, "'%s' takes no arguments, not '%s'", kind->name, name);
    char what[64];
    snprintf(what, sizeof what, "argument of %s", kind->name);
    return unknown(at, what, name, &known);
}

/* Numbers */

static sw_status read_number(const sw_doc *at, const sw_layer_arg *arg, const char *text, double *value)
{
    if (!sw_doc_parse_number(text, value) || !(*value >= arg->low && *value <= arg->high))
        return sw_doc_fail(at, "'%s' must be a number between %g and %g, is '%s'", arg->name, arg->low, arg->high,
                           text);
    return SW_OK;
}

static bool whole(const char *text, const char *end, int64_t *value)
{
    *value = 0;
    if (text == end || end - text > 9)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *value = *value * 10 + (*text - '0');
    }
    return true;
}

static sw_status read_int(const sw_doc *at, const sw_layer_arg *arg, const char *text, int64_t *value)
{
    if (!whole(text, text + strlen(text), value) || (double)*value < arg->low || (double)*value > arg->high)
        return sw_doc_fail(at, "'%s' must be a whole number between %g and %g, is '%s'", arg->name, arg->low, arg->high,
                           text);
    return SW_OK;
}

/* "3" or "3x5" */
static sw_status read_pair(const sw_doc *at, const sw_layer_arg *arg, const char *text, int64_t pair[2])
{
    const char *x = strchr(text, 'x'), *end = text + strlen(text);
    bool good = x != NULL ? whole(text, x, &pair[0]) && whole(x + 1, end, &pair[1]) : whole(text, end, &pair[0]);
    if (x == NULL)
        pair[1] = pair[0];
    for (int i = 0; good && i < 2; i++)
        good = (double)pair[i] >= arg->low && (double)pair[i] <= arg->high;
    if (!good)
        return sw_doc_fail(at, "'%s' must be a number such as 3, or 3x5 for rows and columns, is '%s'", arg->name,
                           text);
    return SW_OK;
}

static sw_status read_pad(const sw_doc *at, const sw_layer_arg *arg, const char *text, int64_t pad[2])
{
    if (strcmp(text, "same") == 0) {
        pad[0] = pad[1] = SW_PAD_SAME;
        return SW_OK;
    }
    sw_status status = read_pair(at, arg, text, pad);
    return status == SW_OK ? SW_OK : sw_doc_fail(at, "'pad' must be same, or a number such as 1 or 1x2, is '%s'", text);
}

static sw_status read_bool(const sw_doc *at, const sw_layer_arg *arg, const char *text, bool *value)
{
    *value = strcmp(text, "true") == 0;
    if (!*value && strcmp(text, "false") != 0)
        return sw_doc_fail(at, "'%s' must be true or false, is '%s'", arg->name, text);
    return SW_OK;
}

static sw_status read_activation(const sw_doc *at, const char *text, const sw_activation **activation)
{
    names known = {.count = 0};
    for (int i = 0; i < sw_activation_count; i++) {
        if (strcmp(sw_activations[i].name, text) == 0) {
            *activation = &sw_activations[i];
            return SW_OK;
        }
        known.list[known.count++] = sw_activations[i].name;
    }
    return unknown(at, "activation", text, &known);
}

/* One argument */

static sw_status set_arg(sw_layer *layer, const sw_doc *at, const sw_layer_arg *arg, const char *text, uint32_t *given)
{
    uint32_t bit = 1u << (arg - layer->kind->args);
    if (*given & bit)
        return sw_doc_fail(at, "'%s' is given twice", arg->name);
    *given |= bit;
    void *target = (char *)layer + arg->offset;
    switch (arg->type) {
    case SW_ARG_INT:
        return read_int(at, arg, text, target);
    case SW_ARG_PAIR:
        return read_pair(at, arg, text, target);
    case SW_ARG_PAD:
        return read_pad(at, arg, text, target);
    case SW_ARG_NUMBER:
        return read_number(at, arg, text, target);
    case SW_ARG_BOOL:
        return read_bool(at, arg, text, target);
    case SW_ARG_ACTIVATION:
        return read_activation(at, text, target);
    }
    return sw_fail(SW_INTERNAL, "argument '%s' has no type", arg->name);
}

static sw_status check_required(const sw_layer *layer, uint32_t given)
{
    for (const sw_layer_arg *a = layer->kind->args; a != NULL && a->name != NULL; a++)
        if (a->required && !(given & 1u << (a - layer->kind->args)))
            return sw_doc_fail(layer->at, "'%s' needs '%s'", layer->kind->name, a->name);
    return SW_OK;
}

/* Words that stand without a name fill the arguments in the table's order. */
static sw_status set_word(sw_layer *layer, const sw_doc *at, const char *word, uint32_t *given)
{
    const char *equals = strchr(word, '=');
    if (equals != NULL) {
        const sw_layer_arg *arg = arg_named(layer->kind, word, (size_t)(equals - word));
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(equals - word), word);
        return arg != NULL ? set_arg(layer, at, arg, equals + 1, given) : unknown_arg(at, layer->kind, name);
    }
    for (const sw_layer_arg *a = layer->kind->args; a != NULL && a->name != NULL; a++)
        if (!(*given & 1u << (a - layer->kind->args)))
            return set_arg(layer, at, a, word, given);
    return unknown_arg(at, layer->kind, word);
}

static void begin_layer(sw_layer *layer, const sw_layer_kind *kind, const sw_doc *at)
{
    *layer = kind->defaults;
    layer->kind = kind;
    layer->at = at;
}

/* The next word of `*text` into `word`; where it began, or NULL at the end. */
static const char *next_word(const char **text, char *word, size_t room)
{
    const char *begin = *text + strspn(*text, " \t");
    size_t length = strcspn(begin, " \t");
    *text = begin + length;
    snprintf(word, room, "%.*s", (int)(length < room ? length : room - 1), begin);
    return length > 0 ? begin : NULL;
}

/* "conv 32 3 relu stride=2"; `kind` is known already when the words are the value of a map's key. */
static sw_status read_words(sw_layer *layer, const sw_doc *doc, const sw_layer_kind *kind)
{
    const char *text = doc->string;
    uint32_t given = 0;
    char word[64];
    if (kind != NULL)
        begin_layer(layer, kind, doc);
    for (const char *begin; (begin = next_word(&text, word, sizeof word)) != NULL;) {
        sw_doc place = *doc;
        place.column += (int)(begin - doc->string) + (doc->quoted && doc->line > 0 ? 1 : 0);
        if (kind == NULL) {
            SW_TRY(find_kind(&place, word, &kind));
            begin_layer(layer, kind, doc);
        } else {
            SW_TRY(set_word(layer, &place, word, &given));
        }
    }
    return kind != NULL ? check_required(layer, given) : sw_doc_fail(doc, "a layer has no name");
}

static sw_status read_map(sw_layer *layer, const sw_doc *map)
{
    uint32_t given = 0;
    for (int i = 0; i < map->count; i++) {
        const sw_layer_arg *arg = arg_named(layer->kind, map->keys[i], strlen(map->keys[i]));
        if (arg == NULL)
            return unknown_arg(map->key_at[i], layer->kind, map->keys[i]);
        if (map->items[i]->string == NULL)
            return sw_doc_fail(map->items[i], "'%s' must be one value", arg->name);
        SW_TRY(set_arg(layer, map->items[i], arg, map->items[i]->string, &given));
    }
    return check_required(layer, given);
}

/* Lists */

typedef struct reader {
    sw_arena *arena;
    int depth, total;
} reader;

static sw_status read_list(reader *r, const sw_doc *list, const sw_layer **layers, int *count);

static sw_status read_layer(reader *r, const sw_doc *doc, sw_layer *layer)
{
    if (++r->total > MOST_LAYERS)
        return sw_doc_fail(doc, "more than %d layers", MOST_LAYERS);
    if (doc->kind == SW_DOC_STRING)
        return read_words(layer, doc, NULL);
    if (doc->kind != SW_DOC_MAP || doc->count != 1)
        return sw_doc_fail(doc, "a layer is written as 'conv 32 3 relu' or as {conv: {filters: 32, kernel: 3}}");
    const sw_layer_kind *kind = NULL;
    SW_TRY(find_kind(doc->key_at[0], doc->keys[0], &kind));
    const sw_doc *value = doc->items[0];
    begin_layer(layer, kind, doc);
    if (kind == &sw_layer_residual)
        return read_list(r, value, &layer->children, &layer->child_count);
    if (value->kind == SW_DOC_MAP)
        return read_map(layer, value);
    if (value->kind == SW_DOC_NULL)
        return check_required(layer, 0);
    return value->string != NULL ? read_words(layer, value, kind)
                                 : sw_doc_fail(value, "'%s' takes a map of arguments", kind->name);
}

static sw_status read_list(reader *r, const sw_doc *list, const sw_layer **layers, int *count)
{
    if (list->kind != SW_DOC_LIST || list->count == 0)
        return sw_doc_fail(list, "must be a list of layers");
    if (r->depth >= DEEPEST)
        return sw_doc_fail(list, "residual blocks nest more than %d deep", DEEPEST);
    sw_layer *all = sw_arena_array(r->arena, (size_t)list->count, sizeof *all);
    if (all == NULL)
        return sw_alloc_status();
    r->depth++;
    for (int i = 0; i < list->count; i++) {
        SW_TRY(read_layer(r, list->items[i], &all[i]));
        if (all[i].kind == &sw_layer_residual && all[i].child_count == 0)
            return sw_doc_fail(list->items[i], "'residual' needs a list of layers: {residual: [conv 64 3, …]}");
    }
    r->depth--;
    *layers = all;
    *count = list->count;
    return SW_OK;
}

sw_status sw_layers_read(sw_arena *arena, const sw_doc *list, const sw_layer **layers, int *count)
{
    reader r = {.arena = arena};
    return read_list(&r, list, layers, count);
}
