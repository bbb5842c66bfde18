/* cancel.c: two atomics. The flag is lock-free, so a signal handler may set it. */
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"

struct sw_cancel {
    sw_context *ctx;
    atomic_int requested;
    _Atomic uint64_t deadline; /* CLOCK_MONOTONIC nanoseconds; 0: none */
};
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "a signal handler may request cancellation");

sw_cancel *sw_cancel_new(sw_context *ctx)
{
    sw_cancel *cancel = sw_alloc_zero(ctx, sizeof *cancel);
    if (cancel)
        cancel->ctx = ctx;
    return cancel;
}

void sw_cancel_free(sw_cancel *cancel)
{
    if (cancel)
        sw_free(cancel->ctx, cancel);
}

void sw_cancel_request(sw_cancel *cancel) { atomic_store(&cancel->requested, 1); }

void sw_cancel_set_deadline(sw_cancel *cancel, uint64_t nanoseconds) { atomic_store(&cancel->deadline, nanoseconds); }

sw_status sw_cancel_check(const sw_cancel *token)
{
    sw_cancel *cancel = (sw_cancel *)token;
    if (!cancel)
        return SW_OK;
    if (atomic_load_explicit(&cancel->requested, memory_order_relaxed))
        return SW_CANCELLED;
    uint64_t deadline = atomic_load_explicit(&cancel->deadline, memory_order_relaxed);
    return deadline && sw_now_ns() >= deadline ? SW_DEADLINE : SW_OK;
}
