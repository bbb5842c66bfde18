/* recipe.c: a document becomes a recipe, by tables.
 *
 * Keys, types and bounds stand in the tables below; what a key means when it is absent stands in fill_defaults.
 * Nothing here touches data or graphs. */
#include "train/recipe.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

static const char *const optimizers[] = {"sgd", "adam", "adamw"};
static const char *const schedules[] = {"constant", "step", "cosine"};

const char *sw_optimizer_name(sw_optimizer optimizer) { return optimizers[optimizer]; }
const char *sw_schedule_name(sw_schedule_kind schedule) { return schedules[schedule]; }

static sw_status find_name(const sw_doc *at, const char *what, const char *name, const char *const *names, int count,
                           int *found)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) {
            *found = i;
            return SW_OK;
        }
    const char *nearest = sw_nearest(name, names, count);
    return nearest != NULL
               ? sw_doc_fail(at, "unknown %s '%s' (did you mean '%s'?)", what, name, nearest)
               : sw_doc_fail(at, "unknown %s '%s' (known: %s, %s, %s)", what, name, names[0], names[1], names[2]);
}

/* train: */

typedef struct train_form {
    const char *optimizer, *schedule;
    sw_train_settings s;
} train_form;

#define IN(member) offsetof(train_form, s.member)
static const sw_field train_fields[] = {
    {.key = "optimizer", .type = SW_FIELD_STRING, .offset = offsetof(train_form, optimizer)},
    {.key = "lr", .type = SW_FIELD_NUMBER, .offset = IN(lr), .low = 0, .high = 100},
    {.key = "momentum", .type = SW_FIELD_NUMBER, .offset = IN(momentum), .low = 0, .high = 1},
    {.key = "nesterov", .type = SW_FIELD_BOOL, .offset = IN(nesterov)},
    {.key = "weight_decay", .type = SW_FIELD_NUMBER, .offset = IN(weight_decay), .low = 0, .high = 10},
    {.key = "beta1", .type = SW_FIELD_NUMBER, .offset = IN(beta1), .low = 0, .high = 1},
    {.key = "beta2", .type = SW_FIELD_NUMBER, .offset = IN(beta2), .low = 0, .high = 1},
    {.key = "epsilon", .type = SW_FIELD_NUMBER, .offset = IN(epsilon), .low = 1e-16, .high = 1},
    {.key = "schedule", .type = SW_FIELD_STRING, .offset = offsetof(train_form, schedule)},
    {.key = "warmup", .type = SW_FIELD_NUMBER, .offset = IN(warmup), .low = 0, .high = 1e6},
    {.key = "lr_end", .type = SW_FIELD_NUMBER, .offset = IN(lr_end), .low = 0, .high = 1},
    {.key = "decay_every", .type = SW_FIELD_NUMBER, .offset = IN(decay_every), .low = 1e-6, .high = 1e6},
    {.key = "decay_factor", .type = SW_FIELD_NUMBER, .offset = IN(decay_factor), .low = 1e-6, .high = 1},
    {.key = "label_smoothing", .type = SW_FIELD_NUMBER, .offset = IN(label_smoothing), .low = 0, .high = 0.99},
    {.key = "batch", .type = SW_FIELD_INT, .offset = IN(batch), .low = 1, .high = 1 << 20},
    {.key = "epochs", .type = SW_FIELD_INT, .offset = IN(epochs), .low = 1, .high = 1e6},
    {.key = "seed", .type = SW_FIELD_INT, .offset = IN(seed), .low = 0, .high = 0x1p53},
    {.key = "patience", .type = SW_FIELD_INT, .offset = IN(patience), .low = 0, .high = 1e6},
    {.key = "shift", .type = SW_FIELD_INT, .offset = IN(shift), .low = 0, .high = 1024},
    {.key = "flip", .type = SW_FIELD_BOOL, .offset = IN(flip)},
    {.key = "drop_last", .type = SW_FIELD_BOOL, .offset = IN(drop_last)},
};

/* A key of one optimizer or schedule is a mistake under another: it would silently do nothing. */
static sw_status check_belongs(const sw_doc *map, const sw_train_settings *s)
{
    static const struct owned {
        const char *key;
        unsigned optimizers, schedules; /* bits of those that know it; 0: all */
    } owned[] = {
        {"momentum", 1u << SW_SGD, 0},
        {"nesterov", 1u << SW_SGD, 0},
        {"beta1", 1u << SW_ADAM | 1u << SW_ADAMW, 0},
        {"beta2", 1u << SW_ADAM | 1u << SW_ADAMW, 0},
        {"epsilon", 1u << SW_ADAM | 1u << SW_ADAMW, 0},
        {"lr_end", 0, 1u << SW_SCHEDULE_COSINE},
        {"decay_every", 0, 1u << SW_SCHEDULE_STEP},
        {"decay_factor", 0, 1u << SW_SCHEDULE_STEP},
    };
    for (int i = 0; i < COUNT(owned); i++) {
        const sw_doc *at = sw_doc_get(map, owned[i].key);
        if (at == NULL)
            continue;
        if (owned[i].optimizers != 0 && !(owned[i].optimizers & 1u << s->optimizer))
            return sw_doc_fail(at, "'%s' means nothing to the optimizer '%s'", owned[i].key, optimizers[s->optimizer]);
        if (owned[i].schedules != 0 && !(owned[i].schedules & 1u << s->schedule))
            return sw_doc_fail(at, "'%s' means nothing to the schedule '%s'", owned[i].key, schedules[s->schedule]);
    }
    return SW_OK;
}

static void fill_defaults(sw_train_settings *s)
{
    bool sgd = s->optimizer == SW_SGD;
    s->lr = isnan(s->lr) ? (sgd ? 0.01 : 0.001) : s->lr;
    s->weight_decay = isnan(s->weight_decay) ? (s->optimizer == SW_ADAMW ? 0.01 : 0) : s->weight_decay;
}

static sw_status read_train(const sw_doc *map, sw_train_settings *settings)
{
    train_form form = {.optimizer = "adam",
                       .schedule = "constant",
                       .s = {.lr = NAN,
                             .weight_decay = NAN,
                             .momentum = 0.9,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .epsilon = 1e-8,
                             .decay_every = 10,
                             .decay_factor = 0.1,
                             .batch = 64,
                             .epochs = 10,
                             .seed = 1}};
    int optimizer = SW_ADAM, schedule = SW_SCHEDULE_CONSTANT;
    if (map != NULL) {
        SW_TRY(sw_doc_read(map, train_fields, COUNT(train_fields), &form));
        SW_TRY(find_name(sw_doc_get(map, "optimizer"), "optimizer", form.optimizer, optimizers, COUNT(optimizers),
                         &optimizer));
        SW_TRY(
            find_name(sw_doc_get(map, "schedule"), "schedule", form.schedule, schedules, COUNT(schedules), &schedule));
    }
    form.s.optimizer = (sw_optimizer)optimizer;
    form.s.schedule = (sw_schedule_kind)schedule;
    fill_defaults(&form.s);
    *settings = form.s;
    return map != NULL ? check_belongs(map, settings) : SW_OK;
}

/* The whole document. `tune:` is read by the search over hyper-parameters; a training run passes it by. */

typedef struct recipe_form {
    const char *name;
    const sw_doc *data, *model, *train, *tune;
    bool normalize;
} recipe_form;

static const sw_field recipe_fields[] = {
    {.key = "name", .type = SW_FIELD_STRING, .offset = offsetof(recipe_form, name), .required = true},
    {.key = "data", .type = SW_FIELD_ANY, .offset = offsetof(recipe_form, data), .required = true},
    {.key = "model", .type = SW_FIELD_ANY, .offset = offsetof(recipe_form, model), .required = true},
    {.key = "train", .type = SW_FIELD_ANY, .offset = offsetof(recipe_form, train)},
    {.key = "tune", .type = SW_FIELD_ANY, .offset = offsetof(recipe_form, tune)},
    {.key = "normalize", .type = SW_FIELD_BOOL, .offset = offsetof(recipe_form, normalize)},
};

/* Runs and models are called by it: what the store takes as a name, and room for "-123" behind it. */
static sw_status check_name(const sw_doc *at, const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(name);
    if (length == 0 || length > 100 || name[strspn(name, good)] != '\0' || strchr("._-", name[0]) != NULL)
        return sw_doc_fail(
            at, "the name '%s' must be 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or digit",
            name);
    return SW_OK;
}

static sw_status read_recipe(sw_arena *arena, sw_doc *root, const char *folder, sw_recipe *recipe)
{
    recipe_form form = {.normalize = true};
    if (root->kind != SW_DOC_MAP)
        return sw_doc_fail(root, "a recipe is a map with 'name', 'data', 'model' and 'train'");
    SW_TRY(sw_doc_read(root, recipe_fields, COUNT(recipe_fields), &form));
    SW_TRY(check_name(sw_doc_get(root, "name"), form.name));
    *recipe =
        (sw_recipe){.name = form.name, .root = root, .data = form.data, .folder = folder, .normalize = form.normalize};
    SW_TRY(sw_layers_read(arena, form.model, &recipe->layers, &recipe->layer_count));
    return read_train(form.train, &recipe->train);
}

static sw_status finish(sw_arena *arena, sw_doc *root, const char *folder, const char *const *sets, int set_count,
                        const sw_recipe **recipe)
{
    sw_recipe *r = sw_arena_alloc(arena, sizeof *r);
    if (r == NULL)
        return sw_alloc_status();
    for (int i = 0; i < set_count; i++)
        SW_TRY(sw_recipe_set(arena, root, sets[i]));
    SW_TRY(read_recipe(arena, root, folder, r));
    *recipe = r;
    return SW_OK;
}

sw_status sw_recipe_text(sw_arena *arena, const char *source, const char *folder, const char *text, size_t size,
                         const char *const *sets, int set_count, const sw_recipe **recipe)
{
    sw_doc *root;
    SW_TRY(sw_doc_yaml(arena, source, text, size, &root));
    return finish(arena, root, folder, sets, set_count, recipe);
}

/* Paths in a recipe start at the recipe's own folder; kept absolute, because a run may be resumed from elsewhere. */
static sw_status folder_of(sw_arena *arena, const char *path, const char **folder)
{
    char *whole = realpath(path, NULL);
    if (whole == NULL)
        return sw_fail_errno(errno, "%s", path);
    *folder = sw_arena_strndup(arena, whole, (size_t)(strrchr(whole, '/') - whole));
    free(whole);
    return *folder != NULL ? SW_OK : sw_alloc_status();
}

sw_status sw_recipe_file(sw_arena *arena, const char *path, const char *const *sets, int set_count,
                         const sw_recipe **recipe)
{
    sw_doc *root;
    const char *folder;
    SW_TRY(sw_doc_file(arena, path, &root));
    SW_TRY(folder_of(arena, path, &folder));
    return finish(arena, root, folder, sets, set_count, recipe);
}

/* Writing: scalars that were plain go out plain, so that numbers stay numbers. */

static void write_node(sw_json_writer *json, const char *key, const sw_doc *doc)
{
    switch (doc->kind) {
    case SW_DOC_NULL:
        sw_json_null(json, key);
        break;
    case SW_DOC_BOOL:
        sw_json_bool(json, key, doc->boolean);
        break;
    case SW_DOC_INT:
        sw_json_int(json, key, doc->integer);
        break;
    case SW_DOC_NUMBER:
        sw_json_double(json, key, doc->number);
        break;
    case SW_DOC_STRING:
        sw_json_string(json, key, doc->string);
        break;
    case SW_DOC_LIST:
    case SW_DOC_MAP: {
        bool map = doc->kind == SW_DOC_MAP;
        sw_json_open(json, key, map ? '{' : '[');
        for (int i = 0; i < doc->count; i++)
            write_node(json, map ? doc->keys[i] : NULL, doc->items[i]);
        sw_json_close(json, map ? '}' : ']');
        break;
    }
    }
}

void sw_recipe_write(const sw_recipe *recipe, sw_text *out)
{
    sw_json_writer json;
    sw_json_begin(&json, out, true);
    write_node(&json, NULL, recipe->root);
}
