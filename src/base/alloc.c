/* alloc.c: counting, budgeting and failing on request.
 *
 * Each block carries 16 bytes in front of it: its whole size and how far the user's pointer stands from the
 * block's start. So sw_free needs no size, and an aligned block is freed like any other. The budget is taken
 * with a compare-and-swap before the memory is asked for: it is never exceeded, not even for a moment. */
#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

#include "base/inside.h"

struct header {
    uint64_t total;  /* bytes taken from the allocator, header and padding included */
    uint32_t offset; /* from the block's start to the user's pointer */
    uint32_t room;   /* alignment the block was made with */
};
_Static_assert(sizeof(struct header) == 16, "a header must keep 16-byte alignment");

static _Thread_local sw_status last_status = SW_NO_MEMORY;

sw_status sw_alloc_status(void) { return last_status; }

static void raise_peak(sw_context *ctx, uint64_t now)
{
    uint64_t peak = atomic_load_explicit(&ctx->peak, memory_order_relaxed);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&ctx->peak, &peak, now, memory_order_relaxed, memory_order_relaxed))
        continue;
}

sw_status sw_alloc_book(sw_context *ctx, size_t bytes)
{
    uint64_t held = atomic_load_explicit(&ctx->bytes, memory_order_relaxed), now;
    do {
        if (__builtin_add_overflow(held, (uint64_t)bytes, &now))
            return last_status = sw_fail(SW_NO_MEMORY, "no memory: %zu bytes wanted", bytes);
        if (ctx->budget && now > ctx->budget)
            return last_status = sw_fail(SW_BUDGET, "memory budget: %zu bytes wanted, %llu of %llu bytes are held",
                                         bytes, (unsigned long long)held, (unsigned long long)ctx->budget);
    } while (
        !atomic_compare_exchange_weak_explicit(&ctx->bytes, &held, now, memory_order_relaxed, memory_order_relaxed));
    raise_peak(ctx, now);
    return SW_OK;
}

void sw_alloc_unbook(sw_context *ctx, size_t bytes)
{
    atomic_fetch_sub_explicit(&ctx->bytes, bytes, memory_order_relaxed);
}

/* Counts this call down towards an injected failure; true when it is the one. */
static bool injected(sw_context *ctx)
{
    uint64_t left = atomic_load_explicit(&ctx->fail_in, memory_order_relaxed);
    while (left) {
        if (atomic_compare_exchange_weak(&ctx->fail_in, &left, left - 1)) {
            if (left == 1)
                atomic_store(&ctx->failed, true);
            return left == 1;
        }
    }
    return false;
}

void *sw_alloc_aligned(sw_context *ctx, size_t bytes, size_t alignment)
{
    atomic_fetch_add_explicit(&ctx->calls, 1, memory_order_relaxed);
    if (injected(ctx)) {
        last_status = sw_fail(SW_NO_MEMORY, "no memory: %zu bytes wanted", bytes);
        return NULL;
    }
    size_t offset = alignment < sizeof(struct header) ? sizeof(struct header) : alignment, total;
    if (!sw_add_size(bytes, offset, &total) || total > PTRDIFF_MAX) {
        last_status = sw_fail(SW_NO_MEMORY, "no memory: %zu bytes wanted", bytes);
        return NULL;
    }
    if (sw_alloc_book(ctx, total) != SW_OK)
        return NULL;
    char *block = ctx->allocator.allocate(ctx->allocator.user, total, offset);
    if (!block) {
        sw_alloc_unbook(ctx, total);
        last_status = sw_fail(SW_NO_MEMORY, "no memory: %zu bytes wanted", bytes);
        return NULL;
    }
    struct header *header = (struct header *)(block + offset) - 1;
    *header = (struct header){.total = total, .offset = (uint32_t)offset, .room = (uint32_t)offset};
    return block + offset;
}

void *sw_alloc(sw_context *ctx, size_t bytes) { return sw_alloc_aligned(ctx, bytes, sizeof(struct header)); }

void *sw_alloc_zero(sw_context *ctx, size_t bytes)
{
    void *memory = sw_alloc(ctx, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void *sw_alloc_array(sw_context *ctx, size_t count, size_t size)
{
    size_t bytes;
    if (!sw_mul_size(count, size, &bytes)) {
        last_status = sw_fail(SW_NO_MEMORY, "no memory: %zu times %zu bytes wanted", count, size);
        return NULL;
    }
    return sw_alloc(ctx, bytes);
}

void sw_free(sw_context *ctx, void *memory)
{
    if (!memory)
        return;
    struct header header = ((struct header *)memory)[-1];
    ctx->allocator.release(ctx->allocator.user, (char *)memory - header.offset, header.total);
    sw_alloc_unbook(ctx, header.total);
}

void *sw_realloc(sw_context *ctx, void *memory, size_t bytes)
{
    if (!memory)
        return sw_alloc(ctx, bytes);
    struct header header = ((struct header *)memory)[-1];
    size_t held = header.total - header.offset;
    void *grown = sw_alloc_aligned(ctx, bytes, header.room);
    if (!grown)
        return NULL;
    memcpy(grown, memory, held < bytes ? held : bytes);
    sw_free(ctx, memory);
    return grown;
}

char *sw_strndup(sw_context *ctx, const char *text, size_t length)
{
    char *copy = sw_alloc(ctx, length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *sw_strdup(sw_context *ctx, const char *text) { return sw_strndup(ctx, text, strlen(text)); }

char *sw_format(sw_context *ctx, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : sw_alloc(ctx, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

uint64_t sw_alloc_calls(const sw_context *ctx)
{
    return atomic_load_explicit(&((sw_context *)ctx)->calls, memory_order_relaxed);
}

void sw_alloc_fail_at(sw_context *ctx, uint64_t nth)
{
    atomic_store(&ctx->failed, false);
    atomic_store(&ctx->fail_in, nth);
}

bool sw_alloc_failed(const sw_context *ctx) { return atomic_load(&((sw_context *)ctx)->failed); }

uint64_t sw_context_bytes(const sw_context *ctx)
{
    return atomic_load_explicit(&((sw_context *)ctx)->bytes, memory_order_relaxed);
}

uint64_t sw_context_peak_bytes(const sw_context *ctx)
{
    return atomic_load_explicit(&((sw_context *)ctx)->peak, memory_order_relaxed);
}
