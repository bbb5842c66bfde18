/* base/alloc.h: every byte that our code takes passes here.
 *
 * sw_alloc counts, keeps to the context's budget, and can be told to fail at its N-th call, which is how the
 * tests prove that running out of memory is an answer and not a crash. All functions are thread-safe.
 * Uses: status.h. */
#ifndef SW_BASE_ALLOC_H
#define SW_BASE_ALLOC_H

#include "base/status.h"

#define SW_TENSOR_ALIGNMENT 64

/* `bytes` uninitialised bytes, 16-aligned; NULL with a text (SW_NO_MEMORY or SW_BUDGET, as
 * sw_alloc_status() says) on failure. 0 bytes give a pointer that may be freed. Owned by the caller. */
void *sw_alloc(sw_context *ctx, size_t bytes);
void *sw_alloc_zero(sw_context *ctx, size_t bytes);
/* `alignment`: a power of two from 16 to 4096. */
void *sw_alloc_aligned(sw_context *ctx, size_t bytes, size_t alignment);
/* count * size with an overflow check. */
void *sw_alloc_array(sw_context *ctx, size_t count, size_t size);
/* Grows or shrinks; on failure `memory` is untouched and NULL is returned. */
void *sw_realloc(sw_context *ctx, void *memory, size_t bytes);
/* NULL is allowed. Takes what any of the above gave. */
void sw_free(sw_context *ctx, void *memory);
char *sw_strdup(sw_context *ctx, const char *text);
char *sw_strndup(sw_context *ctx, const char *text, size_t length);
/* printf into fresh memory. */
char *sw_format(sw_context *ctx, const char *format, ...) SW_PRINTF(2, 3);

/* The status of this thread's last failed allocation: SW_NO_MEMORY or SW_BUDGET. */
sw_status sw_alloc_status(void);

/* Counts of calls since the context was made: for "nothing was allocated between here and there". */
uint64_t sw_alloc_calls(const sw_context *ctx);

/* Books memory that a library or the kernel holds for us (scratchpads, mapped files made private), so that
 * budget and peak are true. SW_BUDGET when it would not fit: then nothing is booked. */
sw_status sw_alloc_book(sw_context *ctx, size_t bytes);
void sw_alloc_unbook(sw_context *ctx, size_t bytes);

/* Tests: the `nth` next allocation (1 is the very next) fails with SW_NO_MEMORY; 0 switches off. */
void sw_alloc_fail_at(sw_context *ctx, uint64_t nth);
/* True when the failure asked for has happened. */
bool sw_alloc_failed(const sw_context *ctx);

/* Overflow-checked sizes: true on success. */
static inline bool sw_mul_size(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }
static inline bool sw_add_size(size_t a, size_t b, size_t *sum) { return !__builtin_add_overflow(a, b, sum); }
static inline size_t sw_align_up(size_t n, size_t alignment) { return (n + alignment - 1) & ~(alignment - 1); }

#endif
