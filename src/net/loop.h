/* net/loop.h: one thread that waits for everything.
 *
 * A loop watches file descriptors (epoll), timers (a binary heap) and posts: small structs that other threads
 * hand over to be run here. Whatever is registered is embedded in its owner, so that nothing is allocated while
 * the loop runs. Only sw_loop_post and sw_loop_stop may be called from other threads; sw_loop_stop also from a
 * signal handler. The library installs no handlers itself: whoever owns the process watches a signalfd.
 * The room net/ uses: base. */
#ifndef SW_NET_LOOP_H
#define SW_NET_LOOP_H

#include <stdatomic.h>
#include <sys/epoll.h>

#include "base/alloc.h"

typedef struct sw_loop sw_loop;

/* A descriptor under watch. `ready` gets EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR bits. */
typedef struct sw_watch {
    int fd;
    void (*ready)(struct sw_watch *watch, uint32_t events);
} sw_watch;

/* A timer fires once per sw_loop_timer_set. */
typedef struct sw_timer {
    uint64_t at; /* ns, CLOCK_MONOTONIC; meaningful while set */
    size_t slot; /* place in the heap, from 1; 0: not set */
    void (*fire)(struct sw_timer *timer);
} sw_timer;

/* Work for the loop's thread. While `queued`, posting it again does nothing. */
typedef struct sw_post {
    struct sw_post *next;
    atomic_bool queued;
    void (*run)(struct sw_post *post);
} sw_post;

sw_loop *sw_loop_new(sw_context *ctx); /* NULL with a text on failure */
void sw_loop_free(sw_loop *loop);      /* NULL is allowed; nothing may be registered any more */
sw_context *sw_loop_context(const sw_loop *loop);

/* Runs until sw_loop_stop; may be run again afterwards. */
sw_status sw_loop_run(sw_loop *loop);
void sw_loop_stop(sw_loop *loop);

/* The time at which this turn of the loop began (ns, CLOCK_MONOTONIC). */
uint64_t sw_loop_now(const sw_loop *loop);

/* Loop thread, in a `ready`: how many other descriptors are ready in this turn and still wait for theirs. */
int sw_loop_waiting(const sw_loop *loop);

/* `events` as for epoll_ctl (add EPOLLET for edges). After unwatch, `ready` is not called again, not even for
 * events that were already fetched. */
sw_status sw_loop_watch(sw_loop *loop, sw_watch *watch, uint32_t events);
sw_status sw_loop_rewatch(sw_loop *loop, sw_watch *watch, uint32_t events);
void sw_loop_unwatch(sw_loop *loop, sw_watch *watch);

/* Makes room for one more timer, so that setting it later cannot fail; give the room back when done. */
sw_status sw_loop_timer_add(sw_loop *loop, sw_timer *timer, void (*fire)(sw_timer *timer));
void sw_loop_timer_remove(sw_loop *loop, sw_timer *timer);
void sw_loop_timer_set(sw_loop *loop, sw_timer *timer, uint64_t at);
void sw_loop_timer_clear(sw_loop *loop, sw_timer *timer);

/* Any thread; never fails, never blocks. Posts of one thread run in its order. */
void sw_loop_post(sw_loop *loop, sw_post *post);

#endif
