/* dataset.c: a data set in memory.
 *
 * Opening reads and checks the training part, cuts off the validation split and fixes what a sample and a class
 * are; the test part must then agree. What is handed out afterwards never changes, so readers need no lock except
 * around the one late load. Batches are the loader's business. */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/random.h"

#define MOST_CLASSES 100000

const char *sw_data_split_name(sw_data_split split)
{
    static const char *const names[] = {"train", "validation", "test"};
    return (unsigned)split < SW_SPLIT_COUNT ? names[split] : "unknown";
}

/* Checking and shaping what a source gave */

static sw_status take_tensor(sw_tensor **slot, sw_tensor *fresh)
{
    if (fresh == NULL)
        return sw_alloc_status();
    sw_tensor_release(*slot);
    *slot = fresh;
    return SW_OK;
}

/* Grey pictures [N, H, W] become [N, H, W, 1]; everything else stays. */
static sw_status shape_samples(sw_tensor **x)
{
    sw_dims d = sw_tensor_dims(*x);
    if (sw_tensor_dtype(*x) != SW_U8 || d.rank != 3)
        return take_tensor(x, sw_tensor_contiguous(*x));
    d.dim[d.rank++] = 1;
    return take_tensor(x, sw_tensor_reshape(*x, d));
}

/* Integer targets of rank 1 are labels: i64. */
static sw_status shape_targets(sw_tensor **y)
{
    sw_dtype dtype = sw_tensor_dtype(*y);
    bool labels = sw_tensor_rank(*y) == 1 && (sw_dtype_is_integer(dtype) || dtype == SW_BOOL);
    return take_tensor(y, labels && dtype != SW_I64 ? sw_tensor_cast(*y, SW_I64) : sw_tensor_contiguous(*y));
}

static sw_status check_part(const sw_data_spec *spec, sw_part which, const sw_part_data *part)
{
    const char *x_path = spec->x_path[which], *y_path = spec->y_path[which];
    if (sw_tensor_rank(part->x) < 2)
        return sw_fail(SW_SHAPE, "%s: samples need a rank of at least 2, have %d", x_path, sw_tensor_rank(part->x));
    if (sw_tensor_rank(part->y) < 1)
        return sw_fail(SW_SHAPE, "%s: targets need a rank of at least 1", y_path);
    if (sw_tensor_dtype(part->x) == SW_STRING || sw_tensor_dtype(part->y) == SW_STRING)
        return sw_fail(SW_UNSUPPORTED, "%s: samples and targets must be numbers", spec->name);
    int64_t n = sw_tensor_dim(part->x, 0), m = sw_tensor_dim(part->y, 0);
    if (n != m)
        return sw_fail(SW_SHAPE, "%s has %lld samples but %s has %lld targets", x_path, (long long)n, y_path,
                       (long long)m);
    if (n > UINT32_MAX)
        return sw_fail(SW_UNSUPPORTED, "%s: more than %u samples", x_path, UINT32_MAX);
    return SW_OK;
}

static sw_status hash_tensor(sw_sha256 *hash, const sw_tensor *t)
{
    char head[256], dims[200];
    int n = snprintf(head, sizeof head, "%s %s\n", sw_dtype_name(sw_tensor_dtype(t)),
                     sw_dims_text(sw_tensor_dims(t), dims, sizeof dims));
    SW_TRY(sw_sha256_add(hash, head, (size_t)n));
    return sw_sha256_add(hash, sw_tensor_data(t), sw_tensor_bytes(t));
}

static sw_status hash_part(sw_context *ctx, sw_part_data *part)
{
    sw_sha256 *hash = sw_sha256_new(ctx);
    if (hash == NULL)
        return sw_alloc_status();
    sw_status status = hash_tensor(hash, part->x);
    if (status == SW_OK)
        status = hash_tensor(hash, part->y);
    if (status == SW_OK)
        status = sw_sha256_end(hash, part->hash);
    sw_sha256_free(hash);
    return status;
}

static void drop_part(sw_part_data *part)
{
    sw_tensor_release(part->x);
    sw_tensor_release(part->y);
    *part = (sw_part_data){0};
}

static sw_status read_part(sw_dataset *data, sw_part which, sw_part_data *part)
{
    const sw_data_spec *spec = &data->spec;
    SW_TRY(spec->source->read(data->ctx, spec->x_path[which], &part->x));
    SW_TRY(spec->source->read(data->ctx, spec->y_path[which], &part->y));
    SW_TRY(check_part(spec, which, part));
    SW_TRY(shape_samples(&part->x));
    SW_TRY(shape_targets(&part->y));
    return hash_part(data->ctx, part);
}

/* Labels: 0 up to the classes' count. */

static bool has_labels(const sw_part_data *part)
{
    return sw_tensor_dtype(part->y) == SW_I64 && sw_tensor_rank(part->y) == 1;
}

static sw_status check_labels(const sw_data_spec *spec, sw_part which, const sw_part_data *part, int limit,
                              int *classes)
{
    const int64_t *labels = sw_tensor_data(part->y);
    int64_t count = sw_tensor_count(part->y), most = -1;
    for (int64_t i = 0; i < count; i++) {
        if (labels[i] < 0 || labels[i] >= limit)
            return sw_fail(SW_CORRUPT, "%s: label %lld of sample %lld is not between 0 and %d", spec->y_path[which],
                           (long long)labels[i], (long long)i, limit - 1);
        most = labels[i] > most ? labels[i] : most;
    }
    *classes = (int)most + 1;
    return SW_OK;
}

static sw_status find_classes(sw_dataset *data)
{
    const sw_part_data *part = &data->parts[SW_PART_TRAIN];
    int seen = 0, known = data->spec.class_count;
    if (has_labels(part))
        SW_TRY(check_labels(&data->spec, SW_PART_TRAIN, part, known > 0 ? known : MOST_CLASSES, &seen));
    else if (known > 0)
        return sw_fail(SW_INVALID, "%s: class names are given but the targets are no labels (integers of rank 1)",
                       data->spec.name);
    data->classes = known > 0 ? known : seen;
    return SW_OK;
}

/* Splits */

static int64_t validation_wanted(int64_t asked, int64_t count)
{
    if (asked >= 0)
        return asked;
    return count >= 60000 ? 5000 : count / 12;
}

/* The first rows of a fixed permutation are held out; both splits keep the file's order. */
static sw_status cut(sw_dataset *data, int64_t asked)
{
    int64_t count = sw_tensor_dim(data->parts[SW_PART_TRAIN].x, 0), held = validation_wanted(asked, count);
    if (held > 0 && held >= count)
        return sw_fail(SW_INVALID, "%s: %lld samples cannot be held out of %lld", data->spec.name, (long long)held,
                       (long long)count);
    data->train = sw_alloc_array(data->ctx, (size_t)count, sizeof *data->train);
    data->validation = sw_alloc_array(data->ctx, (size_t)held, sizeof *data->validation);
    uint8_t *is_held = sw_alloc_zero(data->ctx, (size_t)count);
    if (data->train == NULL || data->validation == NULL || is_held == NULL) {
        sw_free(data->ctx, is_held);
        return sw_alloc_status();
    }
    sw_random_permutation((sw_random_address){.stream = sw_random_stream("data.validation")}, (uint64_t)count,
                          data->train);
    for (int64_t i = 0; i < held; i++)
        is_held[data->train[i]] = 1;
    int64_t kept = 0, out = 0;
    for (int64_t i = 0; i < count; i++)
        if (is_held[i])
            data->validation[out++] = (uint32_t)i;
        else
            data->train[kept++] = (uint32_t)i;
    data->train_count = kept;
    data->validation_count = out;
    sw_free(data->ctx, is_held);
    return SW_OK;
}

/* Opening */

static sw_status load_train(sw_dataset *data, int64_t validation)
{
    SW_TRY(read_part(data, SW_PART_TRAIN, &data->parts[SW_PART_TRAIN]));
    SW_TRY(find_classes(data));
    return cut(data, validation);
}

static sw_dataset *new_dataset(sw_context *ctx)
{
    sw_dataset *data = sw_alloc_zero(ctx, sizeof *data);
    if (data == NULL)
        return NULL;
    data->ctx = ctx;
    data->arena = sw_arena_new(ctx);
    pthread_mutex_init(&data->lock, NULL);
    if (data->arena != NULL)
        return data;
    sw_dataset_close(data);
    return NULL;
}

void sw_dataset_close(sw_dataset *data)
{
    if (data == NULL)
        return;
    for (int i = 0; i < SW_PART_COUNT; i++)
        drop_part(&data->parts[i]);
    sw_free(data->ctx, data->train);
    sw_free(data->ctx, data->validation);
    sw_arena_free(data->arena);
    pthread_mutex_destroy(&data->lock);
    sw_free(data->ctx, data);
}

sw_status sw_dataset_open_doc(sw_context *ctx, const sw_doc *doc, const char *base, const char *folder,
                              sw_dataset **data)
{
    sw_dataset *d = new_dataset(ctx);
    if (d == NULL)
        return sw_alloc_status();
    sw_status status = sw_data_spec_read(d->arena, doc, base, folder, &d->spec);
    if (status == SW_OK)
        status = load_train(d, d->spec.validation);
    if (status == SW_OK)
        *data = d;
    else
        sw_dataset_close(d);
    return status;
}

static bool is_document(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

/* "name:test" → name, split */
static sw_status cut_name(sw_arena *arena, const char *text, char **name, sw_data_split *split)
{
    *split = SW_SPLIT_TRAIN;
    const char *colon = strrchr(text, ':');
    size_t length = strlen(text);
    for (int s = 0; colon != NULL && s < SW_SPLIT_COUNT; s++)
        if (strcmp(colon + 1, sw_data_split_name((sw_data_split)s)) == 0) {
            *split = (sw_data_split)s;
            length = (size_t)(colon - text);
            colon = NULL;
        }
    if (colon != NULL && strchr(colon, '/') == NULL)
        return sw_fail(SW_INVALID, "data '%s': '%s' is no split; say train, validation or test", text, colon + 1);
    *name = sw_arena_strndup(arena, text, length);
    return *name != NULL ? SW_OK : sw_alloc_status();
}

static sw_status spec_of_file(sw_arena *arena, const char *path, const char *folder, sw_data_spec *spec)
{
    sw_doc *doc;
    SW_TRY(sw_doc_file(arena, path, &doc));
    const sw_doc *item = sw_doc_get(doc, "data");
    if (item == NULL)
        return sw_fail(SW_INVALID, "%s: has no 'data'", path);
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? sw_arena_strndup(arena, path, (size_t)(slash - path)) : NULL;
    if (slash != NULL && base == NULL)
        return sw_alloc_status();
    return sw_data_spec_read(arena, item, base, folder, spec);
}

static sw_status open_named(sw_dataset *data, const char *text, const char *folder, int64_t validation)
{
    char *name;
    SW_TRY(cut_name(data->arena, text, &name, &data->split));
    if (is_document(name))
        SW_TRY(spec_of_file(data->arena, name, folder, &data->spec));
    else
        SW_TRY(sw_data_spec_known(data->arena, NULL, name, folder, &data->spec));
    return load_train(data, validation >= 0 ? validation : data->spec.validation);
}

sw_dataset *sw_dataset_open(sw_context *ctx, const char *name, const sw_dataset_options *options)
{
    sw_dataset *data = new_dataset(ctx);
    if (data == NULL)
        return NULL;
    if (open_named(data, name, options != NULL ? options->folder : NULL, options != NULL ? options->validation : -1) ==
        SW_OK)
        return data;
    sw_dataset_close(data);
    return NULL;
}

/* The late load of the test part: it must be of the training part's kind. */

static sw_status check_alike(const sw_dataset *data, const sw_part_data *test)
{
    const sw_part_data *train = &data->parts[SW_PART_TRAIN];
    const sw_tensor *pairs[2][2] = {{train->x, test->x}, {train->y, test->y}};
    for (int i = 0; i < 2; i++) {
        sw_dims a = sw_tensor_dims(pairs[i][0]), b = sw_tensor_dims(pairs[i][1]);
        b.dim[0] = a.dim[0];
        if (sw_tensor_dtype(pairs[i][0]) != sw_tensor_dtype(pairs[i][1]) || !sw_dims_equal(a, b))
            return sw_fail(SW_SHAPE, "%s: %s of the test part differ in type or dims from the training part's",
                           data->spec.name, i == 0 ? "samples" : "targets");
    }
    int seen;
    return data->classes > 0 ? check_labels(&data->spec, SW_PART_TEST, test, data->classes, &seen) : SW_OK;
}

static sw_status load_test(sw_dataset *data)
{
    sw_part_data *test = &data->parts[SW_PART_TEST];
    if (test->x != NULL || data->spec.x_path[SW_PART_TEST] == NULL)
        return SW_OK;
    sw_part_data fresh = {0};
    sw_status status = read_part(data, SW_PART_TEST, &fresh);
    if (status == SW_OK)
        status = check_alike(data, &fresh);
    if (status == SW_OK)
        *test = fresh;
    else
        drop_part(&fresh);
    return status;
}

sw_status sw_dataset_rows(sw_dataset *data, sw_data_split split, sw_rows *rows)
{
    if (split == SW_SPLIT_TEST) {
        pthread_mutex_lock(&data->lock);
        sw_status status = load_test(data);
        pthread_mutex_unlock(&data->lock);
        SW_TRY(status);
        const sw_part_data *part = &data->parts[SW_PART_TEST];
        *rows = (sw_rows){.part = part, .count = part->x != NULL ? sw_tensor_dim(part->x, 0) : 0};
    } else if (split == SW_SPLIT_VALIDATION) {
        *rows =
            (sw_rows){.part = &data->parts[SW_PART_TRAIN], .rows = data->validation, .count = data->validation_count};
    } else if (split == SW_SPLIT_TRAIN) {
        *rows = (sw_rows){.part = &data->parts[SW_PART_TRAIN], .rows = data->train, .count = data->train_count};
    } else {
        return sw_fail(SW_INVALID, "there is no split %d", (int)split);
    }
    return SW_OK;
}

/* What a caller may ask */

const char *sw_dataset_name(const sw_dataset *data) { return data->spec.name; }
sw_data_split sw_dataset_split(const sw_dataset *data) { return data->split; }

sw_status sw_dataset_count(sw_dataset *data, sw_data_split split, int64_t *count)
{
    sw_rows rows;
    SW_TRY(sw_dataset_rows(data, split, &rows));
    *count = rows.count;
    return SW_OK;
}

static sw_dims without_batch(const sw_tensor *t)
{
    sw_dims d = sw_tensor_dims(t);
    memmove(d.dim, d.dim + 1, (size_t)(d.rank - 1) * sizeof d.dim[0]);
    d.dim[--d.rank] = 0;
    return d;
}

sw_dtype sw_dataset_x_dtype(const sw_dataset *data) { return sw_tensor_dtype(data->parts[SW_PART_TRAIN].x); }
sw_dims sw_dataset_x_dims(const sw_dataset *data) { return without_batch(data->parts[SW_PART_TRAIN].x); }
sw_dtype sw_dataset_y_dtype(const sw_dataset *data) { return sw_tensor_dtype(data->parts[SW_PART_TRAIN].y); }
sw_dims sw_dataset_y_dims(const sw_dataset *data) { return without_batch(data->parts[SW_PART_TRAIN].y); }
int64_t sw_dataset_channels(const sw_dataset *data) { return sw_tensor_dim(data->parts[SW_PART_TRAIN].x, -1); }
int sw_dataset_classes(const sw_dataset *data) { return data->classes; }

bool sw_dataset_is_pictures(const sw_dataset *data)
{
    const sw_tensor *x = data->parts[SW_PART_TRAIN].x;
    return sw_tensor_dtype(x) == SW_U8 && sw_tensor_rank(x) == 4;
}

const char *sw_dataset_class_name(const sw_dataset *data, int label)
{
    static _Thread_local char number[16];
    if (label >= 0 && label < data->spec.class_count)
        return data->spec.class_names[label];
    snprintf(number, sizeof number, "%d", label);
    return number;
}

const char *sw_dataset_hash(sw_dataset *data, sw_data_split split)
{
    sw_rows rows;
    return sw_dataset_rows(data, split, &rows) == SW_OK ? rows.part->hash : NULL;
}

static sw_status copy_row(sw_context *ctx, const sw_tensor *all, int64_t row, sw_tensor **one)
{
    sw_dims dims = without_batch(all);
    int64_t n = sw_tensor_dim(all, 0);
    size_t bytes = n > 0 ? sw_tensor_bytes(all) / (size_t)n : 0;
    *one = sw_tensor_from(ctx, sw_tensor_dtype(all), dims, (const uint8_t *)sw_tensor_data(all) + (size_t)row * bytes);
    return *one != NULL ? SW_OK : sw_alloc_status();
}

sw_status sw_dataset_sample(sw_dataset *data, sw_data_split split, int64_t index, sw_tensor **x, sw_tensor **y)
{
    sw_rows rows;
    SW_TRY(sw_dataset_rows(data, split, &rows));
    if (index < 0 || index >= rows.count)
        return sw_fail(SW_INVALID, "%s:%s has %lld samples, there is no sample %lld", data->spec.name,
                       sw_data_split_name(split), (long long)rows.count, (long long)index);
    int64_t row = rows.rows != NULL ? rows.rows[index] : index;
    SW_TRY(copy_row(data->ctx, rows.part->x, row, x));
    sw_status status = y != NULL ? copy_row(data->ctx, rows.part->y, row, y) : SW_OK;
    if (status != SW_OK) {
        sw_tensor_release(*x);
        *x = NULL;
    }
    return status;
}
