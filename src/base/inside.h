/* base/inside.h: what a context is made of; for the files of base/ only.
 *
 * Counters are atomics, so that allocation takes no lock. Attachments form a list that only grows while the
 * context lives: adding takes the mutex, looking up takes none. Uses: context.h. */
#ifndef SW_BASE_INSIDE_H
#define SW_BASE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/context.h"

struct attachment {
    const void *key;
    void *value;
    void (*release)(sw_context *ctx, void *value);
    struct attachment *next;
};

struct sw_context {
    sw_allocator allocator;
    uint64_t budget; /* 0: none */
    _Atomic uint64_t bytes, peak, calls;
    _Atomic uint64_t fail_in; /* allocations until the injected failure; 0: off */
    atomic_bool failed;
    int threads;
    char *backend, *trace;
    void (*log)(void *user, sw_log_level level, const char *line);
    void *log_user;
    pthread_mutex_t log_lock, attach_lock;
    _Atomic(struct attachment *) attachments;
};

#endif
