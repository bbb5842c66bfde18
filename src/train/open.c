/* open.c: everything that must be there before the first step.
 *
 * A new run reads its recipe from a file; a resumed one from the store, so that nothing can change between the two.
 * The run's row is written last, when all that can be wrong with recipe, data and plans has been found. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/file.h"
#include "data/dataset.h"
#include "train/trainer.h"

/* The recipe */

static const char *tag(const sw_run_info *run, const char *key)
{
    for (int i = 0; i < run->tag_count; i++)
        if (strcmp(run->tags[i].key, key) == 0)
            return run->tags[i].value;
    return NULL;
}

static sw_status resumed_recipe(sw_trainer *t)
{
    const sw_train_options *o = t->options;
    if (o->recipe != NULL || o->set_count > 0)
        return sw_fail(SW_INVALID, "run %s goes on with its own recipe: neither a recipe nor --set can be given",
                       o->resume);
    SW_TRY(sw_run_list_read(o->store, o->resume, &t->resumed));
    const sw_run_info *run = &t->resumed->runs[0];
    if (t->resumed->count != 1 || strcmp(run->id, o->resume) != 0)
        return sw_fail(SW_NOT_FOUND, "'%s' is not the id of one run; 'slipway runs ls' lists them", o->resume);
    const char *source = sw_arena_format(t->arena, "recipe of %s", run->id), *folder = tag(run, "folder");
    t->recipe_text = sw_arena_strdup(t->arena, run->recipe);
    char *base = folder != NULL ? sw_arena_strdup(t->arena, folder) : NULL;
    if (source == NULL || t->recipe_text == NULL || (folder != NULL && base == NULL))
        return sw_alloc_status();
    return sw_recipe_text(t->arena, source, base, t->recipe_text, strlen(t->recipe_text), NULL, 0, &t->recipe);
}

/* The text as written, comments and all, unless overrides changed what it says. */
static sw_status new_recipe(sw_trainer *t)
{
    const sw_train_options *o = t->options;
    if (o->recipe == NULL)
        return sw_fail(SW_INVALID, "which recipe? name a file, or a run to resume");
    SW_TRY(sw_recipe_file(t->arena, o->recipe, o->sets, o->set_count, &t->recipe));
    sw_text text;
    sw_text_init(&text, t->ctx);
    if (o->set_count > 0) {
        sw_recipe_write(t->recipe, &text);
    } else {
        char *file;
        size_t size;
        SW_TRY(sw_file_read(t->ctx, o->recipe, 16 << 20, &file, &size));
        sw_text_addn(&text, file, size);
        sw_free(t->ctx, file);
    }
    t->recipe_text =
        text.status == SW_OK ? sw_arena_strndup(t->arena, text.data != NULL ? text.data : "", text.size) : NULL;
    sw_text_free(&text);
    return t->recipe_text != NULL ? SW_OK : sw_alloc_status();
}

/* What the run's row says of its settings */

typedef struct pairs {
    sw_run_pair list[40];
    char text[40][32];
    int count;
} pairs;

static void add_text(pairs *p, const char *key, const char *value) { p->list[p->count++] = (sw_run_pair){key, value}; }

static void add_number(pairs *p, const char *key, double value)
{
    snprintf(p->text[p->count], sizeof p->text[0], "%.10g", value);
    add_text(p, key, p->text[p->count]);
}

static void list_parameters(const sw_train_settings *s, pairs *p)
{
    add_text(p, "optimizer", sw_optimizer_name(s->optimizer));
    add_number(p, "optimizer.lr", s->lr);
    add_number(p, "optimizer.weight_decay", s->weight_decay);
    if (s->optimizer == SW_SGD) {
        add_number(p, "optimizer.momentum", s->momentum);
        add_text(p, "optimizer.nesterov", s->nesterov ? "true" : "false");
    } else {
        add_number(p, "optimizer.beta1", s->beta1);
        add_number(p, "optimizer.beta2", s->beta2);
        add_number(p, "optimizer.epsilon", s->epsilon);
    }
    add_text(p, "schedule", sw_schedule_name(s->schedule));
    add_number(p, "schedule.warmup", s->warmup);
    add_number(p, "batch", (double)s->batch);
    add_number(p, "epochs", (double)s->epochs);
    add_number(p, "label_smoothing", s->label_smoothing);
    add_number(p, "shift", (double)s->shift);
    add_text(p, "flip", s->flip ? "true" : "false");
    add_number(p, "patience", (double)s->patience);
}

static sw_status begin_record(sw_trainer *t, const char *identity)
{
    const sw_train_settings *s = &t->recipe->train;
    pairs parameters = {.count = 0}, tags = {.count = 0};
    list_parameters(s, &parameters);
    add_text(&tags, "data", sw_dataset_name(t->data));
    add_number(&tags, "parameters", (double)sw_network_parameters(t->network));
    if (t->recipe->folder != NULL)
        add_text(&tags, "folder", t->recipe->folder);
    sw_record_options o = {.size = sizeof o,
                           .name = t->recipe->name,
                           .recipe = t->recipe_text,
                           .data_hash = sw_dataset_hash(t->data, SW_SPLIT_TRAIN),
                           .code_version = sw_code_version(),
                           .identity = identity,
                           .seed = (uint64_t)s->seed,
                           .parameters = parameters.list,
                           .parameter_count = parameters.count,
                           .tags = tags.list,
                           .tag_count = tags.count};
    return sw_record_begin(t->options->store, &o, &t->record);
}

/* Resuming */

sw_status sw_trainer_load(sw_trainer *t, const sw_run_info *run, const char *slot, sw_progress *progress)
{
    const sw_checkpoint *c = sw_run_checkpoint_named(run, slot);
    if (c == NULL)
        return sw_fail(SW_NOT_FOUND, "run %s has no checkpoint '%s'", run->id, slot);
    char path[SW_STORE_PATH_MAX];
    sw_map_file map;
    SW_TRY(sw_blob_path(t->options->store, &c->blob, false, path));
    SW_TRY(sw_file_map(&map, path));
    sw_status status = sw_checkpoint_read(path, map.data, map.size, t->stepper->graph, progress);
    sw_file_unmap(&map);
    return status;
}

static sw_status check_same(const sw_trainer *t, const sw_run_info *run, const char *identity)
{
    if (t->options->any_identity)
        return SW_OK;
    if (strcmp(run->data_hash, sw_dataset_hash(t->data, SW_SPLIT_TRAIN)) != 0)
        return sw_fail(
            SW_IDENTITY,
            "the training data is not what run %s has learned from so far (--any-identity goes on all the same)",
            run->id);
    if (strcmp(run->identity, identity) != 0)
        return sw_fail(SW_IDENTITY,
                       "run %s was begun under identity %.12s, this is %.12s (processor, libraries, threads or program "
                       "differ): its "
                       "bits would differ (--any-identity goes on all the same)",
                       run->id, run->identity, identity);
    return SW_OK;
}

static sw_status resume_record(sw_trainer *t, const char *identity)
{
    const sw_run_info *run = &t->resumed->runs[0];
    SW_TRY(check_same(t, run, identity));
    SW_TRY(sw_record_resume(t->options->store, run->id, &t->record));
    if (sw_run_checkpoint_named(run, "last") == NULL)
        return SW_OK; /* it ended before its first checkpoint: it begins anew */
    return sw_trainer_load(t, run, "last", &t->at);
}

/* All of it */

static sw_status open_loader(sw_trainer *t)
{
    const sw_train_settings *s = &t->recipe->train;
    sw_loader_options o = {.size = sizeof o,
                           .split = SW_SPLIT_TRAIN,
                           .batch = s->batch,
                           .shuffle = true,
                           .drop_last = s->drop_last,
                           .seed = (uint64_t)s->seed,
                           .shift = (int)s->shift,
                           .flip = s->flip,
                           .from = t->at.next};
    SW_TRY(sw_loader_open(t->data, &o, &t->loader));
    t->per_epoch = sw_loader_batches(t->loader);
    if (t->per_epoch == 0)
        return sw_fail(SW_INVALID, "%s: the training split has no batch of %lld samples", sw_dataset_name(t->data),
                       (long long)s->batch);
    return SW_OK;
}

static void first_words(sw_trainer *t)
{
    sw_train_progress *p = &t->shown;
    p->run = sw_record_id(t->record);
    p->model = t->recipe->name;
    p->data = sw_dataset_name(t->data);
    p->parameters = t->result->parameters = sw_network_parameters(t->network);
    sw_dataset_count(t->data, SW_SPLIT_TRAIN, &p->samples);
    p->epochs = t->recipe->train.epochs;
    p->batches = t->per_epoch;
    p->resumed = t->resumed != NULL;
    p->validation_loss = p->validation_accuracy = p->test_loss = p->test_accuracy = NAN;
    snprintf(t->result->run, sizeof t->result->run, "%s", p->run);
    t->begun_ns = t->kept_ns = t->rate_ns = sw_now_ns();
    sw_trainer_tell(t, SW_TRAIN_BEGUN);
}

sw_status sw_trainer_open(sw_trainer *t)
{
    const sw_train_options *o = t->options;
    char identity[65];
    t->at = (sw_progress){.best_epoch = -1, .best = NAN};
    sw_text_init(&t->bytes, t->ctx);
    t->arena = sw_arena_new(t->ctx);
    if (t->arena == NULL)
        return sw_alloc_status();
    SW_TRY(o->resume != NULL ? resumed_recipe(t) : new_recipe(t));
    SW_TRY(sw_dataset_open_doc(t->ctx, t->recipe->data, t->recipe->folder, o->data_folder, &t->data));
    SW_TRY(sw_network_new(t->ctx, t->recipe, t->data, &t->network));
    SW_TRY(sw_stepper_new(t->network, o->threads > 0 ? o->threads : sw_context_threads(t->ctx), &t->stepper));
    sw_plan_identity(t->stepper->step, identity);
    SW_TRY(t->resumed != NULL ? resume_record(t, identity) : begin_record(t, identity));
    SW_TRY(open_loader(t));
    first_words(t);
    return SW_OK;
}

void sw_trainer_close(sw_trainer *t)
{
    sw_loader_close(t->loader);
    sw_stepper_free(t->stepper);
    sw_network_free(t->network);
    sw_dataset_close(t->data);
    sw_run_list_free(t->resumed);
    sw_text_free(&t->bytes);
    sw_arena_free(t->arena);
}
