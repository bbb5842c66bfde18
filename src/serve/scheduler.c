/* The scheduler: one lock, a queue per model, a thread per lane.
 *
 * The lock is held for pointers only: choosing a batch, never running or writing. Who has left or run out of time is
 * dropped when met, before execution; in addition a caller's leaving takes him out at once (his place goes to
 * somebody else), and a timer answers those whose time ends while every lane is busy. */
#include "serve/scheduler.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/answer.h"

enum { MODELS_MAX = 256, BATCH_MAX = 64, LANES_MAX = 256, LOOK_AHEAD = 256, HAND_OVER_NS = 10000 };

typedef struct lane {
    sw_scheduler *scheduler;
    int index;
    bool started, running;
    pthread_t thread;
    sw_cancel *cancel;
    sw_request *batch[BATCH_MAX];
} lane;

struct sw_scheduler {
    sw_context *ctx;
    sw_loop *loop;
    sw_scheduler_options options;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stopping;
    int idle;           /* lanes that wait */
    atomic_int running; /* lanes with a run in progress; those that only write answers are not counted */
    int turn;           /* the model to look at first: nobody is starved by a busy neighbour */
    int model_count;
    sw_model *models[MODELS_MAX];
    sw_timer expiry;
    lane lanes[]; /* and behind them the loop's own */
};

/* ---- queues, under the lock ---- */

static void push(sw_queue *q, sw_request *r)
{
    r->previous = q->last;
    r->next = NULL;
    *(q->last ? &q->last->next : &q->first) = r;
    q->last = r;
    q->count++;
    r->queued = true;
}

/* Back to where it was taken from. */
static void push_first(sw_queue *q, sw_request *r)
{
    r->next = q->first;
    r->previous = NULL;
    *(q->first ? &q->first->previous : &q->last) = r;
    q->first = r;
    q->count++;
    r->queued = true;
}

static void take(sw_queue *q, sw_request *r)
{
    *(r->previous ? &r->previous->next : &q->first) = r->next;
    *(r->next ? &r->next->previous : &q->last) = r->previous;
    q->count--;
    r->queued = false;
}

static bool is_late(const sw_request *r, uint64_t now) { return r->deadline && r->deadline <= now; }

/* Takes the next batch of `m` into `batch`; those who left or are late go to `unwanted`. How many are to run. */
static int take_batch(sw_model *m, sw_request **batch, uint64_t now, sw_queue *unwanted)
{
    int count = 0;
    int64_t rows = 0;
    int looked = 0;
    for (sw_request *r = m->queue.first, *next; r && looked < LOOK_AHEAD; r = next, looked++) {
        next = r->next;
        if (sw_exchange_left(r->exchange) || is_late(r, now)) {
            take(&m->queue, r);
            push(unwanted, r);
            r->queued = false;
        } else if (count == 0) {
            take(&m->queue, r);
            batch[count++] = r;
            rows = r->rows;
            if (rows == 0)
                break;
        } else if (rows + r->rows <= r->version->servable->max_batch &&
                   sw_loaded_agree(batch[0]->version, batch[0], r)) {
            take(&m->queue, r);
            batch[count++] = r;
            rows += r->rows;
        }
        if (count == BATCH_MAX || (count > 0 && rows >= batch[0]->version->servable->max_batch))
            break;
    }
    return count;
}

static void settle_unwanted(sw_queue *unwanted)
{
    for (sw_request *r = unwanted->first, *next; r; r = next) {
        next = r->next;
        if (sw_exchange_left(r->exchange))
            sw_request_drop(r);
        else
            sw_request_late(r);
    }
}

/* ---- running ---- */

/* Stops the run once everybody in it has run out of time. */
static void set_deadline(sw_cancel *cancel, sw_request *const *batch, int count)
{
    uint64_t latest = 0;
    for (int i = 0; i < count; i++) {
        if (batch[i]->deadline == 0) {
            latest = 0;
            break;
        }
        latest = batch[i]->deadline > latest ? batch[i]->deadline : latest;
    }
    sw_cancel_set_deadline(cancel, latest);
}

/* The lane's run is over; what follows is writing. Said before the answers are out, because the caller's next question
 * may come before the lane is back at its queue, and would go there for no reason. */
static void run_is_over(lane *l)
{
    if (l->running)
        atomic_fetch_sub_explicit(&l->scheduler->running, 1, memory_order_relaxed);
    l->running = false;
}

static void run_batch(lane *l, sw_request **batch, int count)
{
    sw_loaded *v = batch[0]->version;
    sw_model_metrics *m = &batch[0]->model->metrics;
    sw_tensor **outputs;
    int64_t ran = 0, rows = 0;
    uint64_t begun = sw_now_ns();
    set_deadline(l->cancel, batch, count);
    sw_status status = sw_loaded_run(v, l->index, batch, count, l->cancel, &outputs, &ran);
    if (status != SW_OK && count > 1) {
        /* One of them may be what the model refuses: the others shall not suffer for it. */
        for (int i = 0; i < count; i++)
            run_batch(l, batch + i, 1);
        return;
    }
    if (status != SW_OK) {
        sw_error error = sw_error_take(status);
        sw_request_failed(batch[0], &error);
        return;
    }
    uint64_t ended = sw_now_ns();
    run_is_over(l);
    for (int i = 0; i < count; i++)
        rows += batch[i]->rows ? batch[i]->rows : 1;
    sw_count(&m->runs, 1);
    sw_count(&m->rows_executed, (uint64_t)rows);
    if (ran > rows)
        sw_count(&m->rows_padded, (uint64_t)(ran - rows));
    sw_histogram_add_rows(&m->rows_per_run, (uint64_t)rows);
    for (int64_t i = 0, row = 0, each; i < count; i++, row += each) {
        each = batch[i]->rows;
        batch[i]->run_at = begun;
        batch[i]->ran_at = ended;
        sw_request_answer(batch[i], outputs, row); /* the request may be another by now */
    }
    /* The outputs were the version's: only now may it go. */
    sw_loaded_release(v, count);
}

static sw_model *next_model(sw_scheduler *s)
{
    for (int i = 0; i < s->model_count; i++) {
        sw_model *m = s->models[(s->turn + i) % s->model_count];
        if (m->queue.first) {
            s->turn = (s->turn + i + 1) % s->model_count;
            return m;
        }
    }
    return NULL;
}

/* Reads a large body on this lane, outside of the lock; then the request waits again, first in the queue, and may be
 * joined by others. */
static void read_here(sw_scheduler *s, sw_request *r)
{
    sw_status status = r->read(r);
    if (status != SW_OK) {
        sw_request_refuse(r, status);
        return;
    }
    r->read = NULL;
    pthread_mutex_lock(&s->lock);
    push_first(&r->model->queue, r);
    pthread_mutex_unlock(&s->lock);
}

static void *lane_main(void *user)
{
    lane *l = user;
    sw_scheduler *s = l->scheduler;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        sw_model *m = next_model(s);
        if (!m) {
            if (s->stopping)
                break;
            s->idle++;
            pthread_cond_wait(&s->work, &s->lock);
            s->idle--;
            continue;
        }
        sw_queue unwanted = {0};
        int count = take_batch(m, l->batch, sw_now_ns(), &unwanted);
        l->running = count > 0;
        atomic_fetch_add_explicit(&s->running, l->running, memory_order_relaxed);
        pthread_mutex_unlock(&s->lock);
        settle_unwanted(&unwanted);
        if (count == 1 && l->batch[0]->read)
            read_here(s, l->batch[0]);
        else if (count > 0)
            run_batch(l, l->batch, count);
        run_is_over(l);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- submitting ---- */

static void fire_expiry(sw_timer *timer)
{
    sw_scheduler *s = (sw_scheduler *)((char *)timer - offsetof(sw_scheduler, expiry));
    uint64_t now = sw_now_ns(), soonest = 0;
    sw_queue late = {0};
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->model_count; i++)
        for (sw_request *r = s->models[i]->queue.first, *next; r; r = next) {
            next = r->next;
            if (is_late(r, now)) {
                take(&s->models[i]->queue, r);
                push(&late, r);
                r->queued = false;
            } else if (r->deadline && (soonest == 0 || r->deadline < soonest)) {
                soonest = r->deadline;
            }
        }
    pthread_mutex_unlock(&s->lock);
    settle_unwanted(&late);
    if (soonest)
        sw_loop_timer_set(s->loop, &s->expiry, soonest);
}

/* Worth running where it is: it takes less than handing it over would; or it takes not much more and nobody else waits
 * for the loop, who would be better served by a batch on a lane. */
static bool is_quick(const sw_scheduler *s, const sw_request *r)
{
    uint64_t forecast = sw_loaded_forecast(r->version, r->rows), limit = s->options.inline_ns;
    return forecast < limit && (forecast < HAND_OVER_NS || sw_loop_waiting(s->loop) == 0);
}

void sw_scheduler_submit(sw_scheduler *s, sw_request *r)
{
    sw_model *m = r->model;
    r->queued_at = sw_now_ns();
    bool quick = !r->read && is_quick(s, r);
    pthread_mutex_lock(&s->lock);
    if (quick && atomic_load_explicit(&s->running, memory_order_relaxed) == 0 && !m->queue.first) {
        pthread_mutex_unlock(&s->lock);
        sw_count(&m->metrics.runs_inline, 1);
        run_batch(&s->lanes[s->options.lanes], &r, 1);
        return;
    }
    bool full = m->queue.count >= s->options.max_queue;
    uint64_t deadline = r->deadline; /* once unlocked the request may be answered and gone */
    if (!full) {
        push(&m->queue, r);
        if (s->idle > 0)
            pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    if (full) {
        sw_count(&m->metrics.refused[SW_REFUSED_FULL], 1);
        char text[200];
        snprintf(text, sizeof text, "the queue of model '%s' is full (%d requests wait); try again later", m->name,
                 s->options.max_queue);
        sw_request_fail(r, SW_BUSY, text);
        return;
    }
    if (deadline && (s->expiry.slot == 0 || s->expiry.at > deadline))
        sw_loop_timer_set(s->loop, &s->expiry, deadline);
}

void sw_scheduler_left(sw_scheduler *s, sw_request *r)
{
    pthread_mutex_lock(&s->lock);
    bool waiting = r->queued;
    if (waiting)
        take(&r->model->queue, r);
    pthread_mutex_unlock(&s->lock);
    if (waiting)
        sw_request_drop(r);
}

int sw_scheduler_waiting(sw_scheduler *s, const sw_model *model)
{
    pthread_mutex_lock(&s->lock);
    int count = model->queue.count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

int sw_scheduler_runners(const sw_scheduler *s) { return s->options.lanes + (s->options.inline_ns > 0); }

/* ---- life ---- */

sw_scheduler *sw_scheduler_new(sw_loop *loop, sw_scheduler_options options)
{
    sw_context *ctx = sw_loop_context(loop);
    if (options.lanes < 1 || options.lanes > LANES_MAX) {
        sw_fail(SW_INVALID, "%d lanes: 1 to %d are possible", options.lanes, LANES_MAX);
        return NULL;
    }
    sw_scheduler *s = sw_alloc_zero(ctx, sizeof *s + sizeof(lane) * (size_t)(options.lanes + 1));
    if (!s)
        return NULL;
    s->ctx = ctx;
    s->loop = loop;
    s->options = options;
    if (sw_loop_timer_add(loop, &s->expiry, fire_expiry) != SW_OK) {
        sw_free(ctx, s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    for (int i = 0; i <= options.lanes; i++) {
        s->lanes[i].scheduler = s;
        s->lanes[i].index = i;
        s->lanes[i].cancel = sw_cancel_new(ctx);
        if (!s->lanes[i].cancel) {
            sw_scheduler_free(s);
            return NULL;
        }
    }
    return s;
}

sw_status sw_scheduler_add(sw_scheduler *s, sw_model *model)
{
    if (s->model_count == MODELS_MAX)
        return sw_fail(SW_INVALID, "at most %d models", MODELS_MAX);
    s->models[s->model_count++] = model;
    return SW_OK;
}

sw_status sw_scheduler_start(sw_scheduler *s)
{
    for (int i = 0; i < s->options.lanes; i++) {
        int error = pthread_create(&s->lanes[i].thread, NULL, lane_main, &s->lanes[i]);
        if (error)
            return sw_fail_errno(error, "cannot start lane %d", i);
        s->lanes[i].started = true;
    }
    return SW_OK;
}

void sw_scheduler_free(sw_scheduler *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i <= s->options.lanes; i++) {
        if (s->lanes[i].started)
            pthread_join(s->lanes[i].thread, NULL);
        sw_cancel_free(s->lanes[i].cancel);
    }
    sw_loop_timer_remove(s->loop, &s->expiry);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    sw_free(s->ctx, s);
}
