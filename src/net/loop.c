/* The event loop: epoll, a heap of timers, and a lock-free stack of posts behind one eventfd.
 *
 * The one idea: owners embed what they register, so the loop owns no memory per registration apart from one
 * slot of the timer heap, which is reserved when the timer is added. Posts are pushed onto an atomic stack and
 * reversed by the loop, which keeps each thread's order; the eventfd is written only by the first post of a
 * batch. The file knows nothing of sockets or HTTP. */
#include "net/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"

enum { EVENTS_PER_TURN = 64 };

struct sw_loop {
    sw_context *ctx;
    int epoll;
    sw_watch wake; /* the eventfd */
    atomic_bool stop;
    _Atomic(sw_post *) posted; /* newest first */
    uint64_t now;
    sw_vec(sw_timer *) heap; /* items[0] is the earliest; count is how many are set */
    size_t timers_added;     /* how many slots are promised */
    struct epoll_event events[EVENTS_PER_TURN];
    int event_count, event_at;
};

static void ring(sw_loop *loop)
{
    /* A full counter (EAGAIN) wakes the loop just as well. */
    uint64_t one = 1;
    ssize_t written = write(loop->wake.fd, &one, sizeof one);
    (void)written;
}

static void wake_ready(sw_watch *watch, uint32_t events)
{
    (void)events;
    uint64_t count;
    ssize_t got = read(watch->fd, &count, sizeof count);
    (void)got;
}

sw_loop *sw_loop_new(sw_context *ctx)
{
    sw_loop *loop = sw_alloc_zero(ctx, sizeof *loop);
    if (!loop)
        return NULL;
    loop->ctx = ctx;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = (sw_watch){eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), wake_ready};
    loop->now = sw_now_ns();
    if (loop->epoll < 0 || loop->wake.fd < 0) {
        sw_fail_errno(errno, "event loop: no descriptors left");
        sw_loop_free(loop);
        return NULL;
    }
    if (sw_loop_watch(loop, &loop->wake, EPOLLIN) != SW_OK) {
        sw_loop_free(loop);
        return NULL;
    }
    return loop;
}

void sw_loop_free(sw_loop *loop)
{
    if (!loop)
        return;
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    if (loop->epoll >= 0)
        close(loop->epoll);
    sw_vec_free(loop->ctx, &loop->heap);
    sw_free(loop->ctx, loop);
}

sw_context *sw_loop_context(const sw_loop *loop) { return loop->ctx; }

uint64_t sw_loop_now(const sw_loop *loop) { return loop->now; }

int sw_loop_waiting(const sw_loop *loop)
{
    int rest = loop->event_count - loop->event_at - 1;
    return rest > 0 ? rest : 0;
}

/* ---- descriptors ---- */

static sw_status control(sw_loop *loop, int what, sw_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = watch}};
    if (epoll_ctl(loop->epoll, what, watch->fd, &event) < 0)
        return sw_fail_errno(errno, "event loop: cannot watch descriptor %d", watch->fd);
    return SW_OK;
}

sw_status sw_loop_watch(sw_loop *loop, sw_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

sw_status sw_loop_rewatch(sw_loop *loop, sw_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void sw_loop_unwatch(sw_loop *loop, sw_watch *watch)
{
    struct epoll_event unused = {0};
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, &unused);
    for (int i = loop->event_at; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

/* ---- timers: a binary heap, each timer knows its slot ---- */

static void heap_put(sw_loop *loop, size_t at, sw_timer *timer)
{
    loop->heap.items[at] = timer;
    timer->slot = at + 1;
}

static void heap_settle(sw_loop *loop, size_t at)
{
    sw_timer **items = loop->heap.items, *timer = items[at];
    while (at > 0 && timer->at < items[(at - 1) / 2]->at) {
        heap_put(loop, at, items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < loop->heap.count; at = child) {
        if (child + 1 < loop->heap.count && items[child + 1]->at < items[child]->at)
            child++;
        if (timer->at <= items[child]->at)
            break;
        heap_put(loop, at, items[child]);
    }
    heap_put(loop, at, timer);
}

sw_status sw_loop_timer_add(sw_loop *loop, sw_timer *timer, void (*fire)(sw_timer *timer))
{
    size_t missing = loop->timers_added + 1 - loop->heap.count;
    SW_TRY(sw_vec_reserve(loop->ctx, &loop->heap, missing));
    loop->timers_added++;
    *timer = (sw_timer){.fire = fire};
    return SW_OK;
}

void sw_loop_timer_remove(sw_loop *loop, sw_timer *timer)
{
    sw_loop_timer_clear(loop, timer);
    loop->timers_added--;
}

void sw_loop_timer_set(sw_loop *loop, sw_timer *timer, uint64_t at)
{
    timer->at = at;
    if (timer->slot == 0)
        heap_put(loop, loop->heap.count++, timer);
    heap_settle(loop, timer->slot - 1);
}

void sw_loop_timer_clear(sw_loop *loop, sw_timer *timer)
{
    if (timer->slot == 0)
        return;
    size_t at = timer->slot - 1;
    sw_timer *last = loop->heap.items[--loop->heap.count];
    timer->slot = 0;
    if (last != timer) {
        heap_put(loop, at, last);
        heap_settle(loop, at);
    }
}

static void fire_due(sw_loop *loop)
{
    /* At most as many as were set when this began: a timer that sets itself to "now" does not starve the rest. */
    for (size_t left = loop->heap.count; left > 0 && loop->heap.count > 0; left--) {
        if (loop->heap.items[0]->at > loop->now)
            break;
        sw_timer *timer = loop->heap.items[0];
        sw_loop_timer_clear(loop, timer);
        timer->fire(timer);
    }
}

/* ---- posts ---- */

void sw_loop_post(sw_loop *loop, sw_post *post)
{
    if (atomic_exchange_explicit(&post->queued, true, memory_order_acq_rel))
        return;
    sw_post *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        post->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&loop->posted, &head, post, memory_order_acq_rel, memory_order_relaxed));
    if (head == NULL)
        ring(loop);
}

static void run_posts(sw_loop *loop)
{
    sw_post *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acq_rel), *oldest = NULL;
    while (newest) {
        sw_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        sw_post *next = oldest->next;
        atomic_store_explicit(&oldest->queued, false, memory_order_release);
        oldest->run(oldest);
        oldest = next;
    }
}

/* ---- the turn ---- */

static int wait_ms(const sw_loop *loop)
{
    if (loop->heap.count == 0)
        return -1;
    uint64_t now = sw_now_ns(), at = loop->heap.items[0]->at;
    if (at <= now)
        return 0;
    uint64_t ms = (at - now + 999999) / 1000000;
    return ms > 3600000 ? 3600000 : (int)ms;
}

sw_status sw_loop_run(sw_loop *loop)
{
    while (!atomic_exchange_explicit(&loop->stop, false, memory_order_acquire)) {
        int count = epoll_wait(loop->epoll, loop->events, EVENTS_PER_TURN, wait_ms(loop));
        if (count < 0 && errno != EINTR)
            return sw_fail_errno(errno, "event loop");
        loop->now = sw_now_ns();
        loop->event_count = count < 0 ? 0 : count;
        for (loop->event_at = 0; loop->event_at < loop->event_count; loop->event_at++) {
            struct epoll_event *event = &loop->events[loop->event_at];
            if (event->data.ptr) {
                sw_watch *watch = event->data.ptr;
                watch->ready(watch, event->events);
            }
        }
        loop->event_count = 0;
        run_posts(loop);
        fire_due(loop);
    }
    return SW_OK;
}

void sw_loop_stop(sw_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    ring(loop);
}
