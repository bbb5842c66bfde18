/* loader.c: batches made ahead by one thread.
 *
 * Batch number `sequence` of a run is a pure function of the options: epoch = sequence / batches, index =
 * sequence % batches, the epoch's order an addressed permutation. So prefetching is only a ring of slots: slot
 * sequence % slots is filled by the maker once the taker has let go of what was in it, and a cursor is just a
 * sequence number. All memory is taken at the start. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "data/augment.h"
#include "data/dataset.h"

#define MOST_PREFETCH 64

typedef struct slot {
    sw_tensor *x, *y;           /* a full batch */
    sw_tensor *tail_x, *tail_y; /* views of the first rows: an epoch's last, short batch */
} slot;

struct sw_loader {
    sw_context *ctx;
    sw_rows rows;
    sw_loader_options options;
    sw_augment augment;
    bool augments;
    size_t x_bytes, y_bytes; /* per sample */
    int64_t batches, tail;   /* per epoch; samples in the last batch */
    slot *slots;
    int64_t slot_count;

    uint32_t *order; /* the maker's: the order of order_epoch, as indices into the split */
    int64_t order_epoch;

    pthread_t maker;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t made, taken; /* sequence numbers: filled slots are [taken - 1, made); the taker still holds taken - 1 */
    bool stop;
};

/* Making one batch */

static int64_t batch_size(const sw_loader *l, int64_t index)
{
    return index == l->batches - 1 ? l->tail : l->options.batch;
}

static void draw_order(sw_loader *l, int64_t epoch)
{
    if (l->order_epoch == epoch)
        return;
    sw_random_address at = {l->options.seed, sw_random_stream("data.shuffle"), (uint32_t)epoch};
    if (l->options.shuffle)
        sw_random_permutation(at, (uint64_t)l->rows.count, l->order);
    else if (l->order_epoch < 0)
        for (int64_t i = 0; i < l->rows.count; i++)
            l->order[i] = (uint32_t)i;
    l->order_epoch = epoch;
}

static void fill(sw_loader *l, int64_t sequence)
{
    int64_t epoch = sequence / l->batches, index = sequence % l->batches, count = batch_size(l, index);
    const slot *s = &l->slots[sequence % l->slot_count];
    const uint8_t *all_x = sw_tensor_data(l->rows.part->x), *all_y = sw_tensor_data(l->rows.part->y);
    uint8_t *x = sw_tensor_data(s->x), *y = sw_tensor_data(s->y);
    sw_random_address at = {l->options.seed, sw_random_stream("data.augment"), (uint32_t)epoch};
    draw_order(l, epoch);
    for (int64_t i = 0; i < count; i++, x += l->x_bytes, y += l->y_bytes) {
        uint32_t sample = l->order[index * l->options.batch + i];
        size_t row = l->rows.rows != NULL ? l->rows.rows[sample] : sample;
        const uint8_t *from = all_x + row * l->x_bytes;
        if (l->augments)
            sw_augment_apply(&l->augment, sw_augment_draw(&l->augment, at, row), from, x);
        else
            memcpy(x, from, l->x_bytes);
        memcpy(y, all_y + row * l->y_bytes, l->y_bytes);
    }
}

static void *make(void *user)
{
    sw_loader *l = user;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        /* The slot of batch `made` was last used by batch made - slot_count: the taker must be past that one. */
        while (!l->stop && l->made - l->slot_count >= l->taken - 1)
            pthread_cond_wait(&l->changed, &l->lock);
        if (l->stop)
            break;
        int64_t sequence = l->made;
        pthread_mutex_unlock(&l->lock);
        fill(l, sequence);
        pthread_mutex_lock(&l->lock);
        l->made++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Setting up */

static sw_tensor *batch_tensor(sw_loader *l, const sw_tensor *all)
{
    sw_dims dims = sw_tensor_dims(all);
    dims.dim[0] = l->options.batch;
    return sw_tensor_new(l->ctx, sw_tensor_dtype(all), dims);
}

static sw_status new_slot(sw_loader *l, slot *s)
{
    s->x = batch_tensor(l, l->rows.part->x);
    s->y = s->x != NULL ? batch_tensor(l, l->rows.part->y) : NULL;
    s->tail_x = s->y != NULL ? sw_tensor_slice(s->x, 0, 0, l->tail, 1) : NULL;
    s->tail_y = s->tail_x != NULL ? sw_tensor_slice(s->y, 0, 0, l->tail, 1) : NULL;
    return s->tail_y != NULL ? SW_OK : sw_alloc_status();
}

static sw_status check_options(const sw_dataset *data, const sw_loader_options *o)
{
    if (o->batch < 1 || o->batch > INT32_MAX)
        return sw_fail(SW_INVALID, "batch must be between 1 and %d, is %lld", INT32_MAX, (long long)o->batch);
    if (o->prefetch < 0 || o->prefetch > MOST_PREFETCH)
        return sw_fail(SW_INVALID, "prefetch must be between 0 and %d, is %d", MOST_PREFETCH, o->prefetch);
    if (o->from.epoch < 0 || o->from.epoch > UINT32_MAX || o->from.batch < 0)
        return sw_fail(SW_INVALID, "a loader cannot begin at epoch %lld, batch %lld", (long long)o->from.epoch,
                       (long long)o->from.batch);
    if ((o->shift != 0 || o->flip) && !sw_dataset_is_pictures(data))
        return sw_fail(SW_INVALID, "%s: shift and flip are for pictures (u8 [N, H, W, C])", sw_dataset_name(data));
    return SW_OK;
}

static sw_status check_shift(const sw_augment *a)
{
    int most = a->height < a->width ? a->height : a->width;
    if (a->shift < 0 || a->shift >= most)
        return sw_fail(SW_INVALID, "shift must be between 0 and %d, is %d", most - 1, a->shift);
    return SW_OK;
}

static sw_status plan_epochs(sw_loader *l)
{
    int64_t n = l->rows.count, batch = l->options.batch;
    l->batches = l->options.drop_last ? n / batch : (n + batch - 1) / batch;
    l->tail = l->options.drop_last || n % batch == 0 ? batch : n % batch;
    if (l->batches > 0 && l->options.from.batch > l->batches)
        return sw_fail(SW_INVALID, "an epoch has %lld batches, a loader cannot begin at batch %lld",
                       (long long)l->batches, (long long)l->options.from.batch);
    l->made = l->taken = l->options.from.epoch * l->batches + l->options.from.batch;
    return SW_OK;
}

static sw_status set_up(sw_loader *l, sw_dataset *data)
{
    SW_TRY(check_options(data, &l->options));
    SW_TRY(sw_dataset_rows(data, l->options.split, &l->rows));
    SW_TRY(plan_epochs(l));
    if (l->batches == 0)
        return SW_OK;
    int64_t n = sw_tensor_dim(l->rows.part->x, 0);
    l->x_bytes = sw_tensor_bytes(l->rows.part->x) / (size_t)n;
    l->y_bytes = sw_tensor_bytes(l->rows.part->y) / (size_t)n;
    l->augments = l->options.shift != 0 || l->options.flip;
    if (l->augments) {
        sw_dims d = sw_dataset_x_dims(data);
        l->augment = (sw_augment){l->options.shift, l->options.flip, (int)d.dim[0], (int)d.dim[1], (int)d.dim[2]};
        SW_TRY(check_shift(&l->augment));
    }
    /* One slot is in the taker's hands, the others are ahead of it. */
    l->slot_count = (l->options.prefetch > 0 ? l->options.prefetch : 4) + 1;
    l->slots = sw_alloc_zero(l->ctx, (size_t)l->slot_count * sizeof *l->slots);
    l->order = sw_alloc_array(l->ctx, (size_t)l->rows.count, sizeof *l->order);
    if (l->slots == NULL || l->order == NULL)
        return sw_alloc_status();
    for (int64_t i = 0; i < l->slot_count; i++)
        SW_TRY(new_slot(l, &l->slots[i]));
    int error = pthread_create(&l->maker, NULL, make, l);
    if (error != 0)
        return sw_fail_errno(error, "cannot start the thread that makes batches");
    l->started = true;
    return SW_OK;
}

sw_status sw_loader_open(sw_dataset *data, const sw_loader_options *options, sw_loader **loader)
{
    sw_loader *l = sw_alloc_zero(data->ctx, sizeof *l);
    if (l == NULL)
        return sw_alloc_status();
    l->ctx = data->ctx;
    l->options = *options;
    l->order_epoch = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sw_status status = set_up(l, data);
    if (status == SW_OK)
        *loader = l;
    else
        sw_loader_close(l);
    return status;
}

void sw_loader_close(sw_loader *l)
{
    if (l == NULL)
        return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->maker, NULL);
    }
    for (int64_t i = 0; l->slots != NULL && i < l->slot_count; i++) {
        sw_tensor_release(l->slots[i].tail_x);
        sw_tensor_release(l->slots[i].tail_y);
        sw_tensor_release(l->slots[i].x);
        sw_tensor_release(l->slots[i].y);
    }
    sw_free(l->ctx, l->slots);
    sw_free(l->ctx, l->order);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    sw_free(l->ctx, l);
}

/* Taking */

int64_t sw_loader_batches(const sw_loader *l) { return l->batches; }

sw_cursor sw_loader_cursor(const sw_loader *l)
{
    if (l->batches == 0)
        return l->options.from;
    return (sw_cursor){.epoch = l->taken / l->batches, .batch = l->taken % l->batches};
}

/* Waits until batch `taken` is made; wakes now and then to look at `cancel`. */
static sw_status wait_made(sw_loader *l, const sw_cancel *cancel)
{
    sw_status status = sw_cancel_check(cancel);
    while (status == SW_OK && l->made <= l->taken) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 20 * 1000 * 1000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&l->changed, &l->lock, &until);
        status = sw_cancel_check(cancel);
    }
    return status;
}

sw_status sw_loader_next(sw_loader *l, sw_batch *batch, const sw_cancel *cancel)
{
    if (l->batches == 0)
        return sw_fail(SW_NOT_FOUND, "the %s split is empty", sw_data_split_name(l->options.split));
    pthread_mutex_lock(&l->lock);
    sw_status status = wait_made(l, cancel);
    int64_t sequence = l->taken;
    if (status == SW_OK) {
        l->taken++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    if (status != SW_OK)
        return sw_fail(status, "stopped while waiting for a batch");
    int64_t index = sequence % l->batches, count = batch_size(l, index);
    const slot *s = &l->slots[sequence % l->slot_count];
    bool full = count == l->options.batch;
    *batch = (sw_batch){.x = full ? s->x : s->tail_x,
                        .y = full ? s->y : s->tail_y,
                        .count = count,
                        .index = index,
                        .epoch = sequence / l->batches,
                        .last = index == l->batches - 1};
    return SW_OK;
}
