/* arena.c: a chain of blocks and a cursor.
 *
 * Blocks double from 4 KiB to 1 MiB; a request that is larger than the next block gets a block of its size.
 * The chain is kept in order of use: what lies behind the current block is free and is used again after a
 * rewind, so a request loop that rewinds stops allocating. */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#define FIRST_BLOCK 4096
#define LARGEST_BLOCK ((size_t)1 << 20)

struct block {
    struct block *next;
    size_t size, used; /* of bytes[] */
    _Alignas(16) unsigned char bytes[];
};

struct sw_arena {
    sw_context *ctx;
    struct block *first, *current;
    size_t next_size, bytes;
};

sw_arena *sw_arena_new(sw_context *ctx)
{
    sw_arena *arena = sw_alloc_zero(ctx, sizeof *arena);
    if (!arena)
        return NULL;
    arena->ctx = ctx;
    arena->next_size = FIRST_BLOCK;
    return arena;
}

void sw_arena_free(sw_arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->first; block;) {
        struct block *next = block->next;
        sw_free(arena->ctx, block);
        block = next;
    }
    sw_free(arena->ctx, arena);
}

/* The first block from the current one on that has room, or a new one behind the current. */
static struct block *block_with(sw_arena *arena, size_t bytes)
{
    struct block *block = arena->current ? arena->current : arena->first;
    if (block && block->size - block->used >= bytes)
        return block;
    for (struct block *next = block ? block->next : NULL; next; next = next->next) {
        next->used = 0;
        if (next->size >= bytes)
            return next;
    }
    size_t size = bytes > arena->next_size ? bytes : arena->next_size, total;
    if (!sw_add_size(size, sizeof *block, &total)) {
        sw_fail(SW_NO_MEMORY, "no memory: %zu bytes wanted", bytes);
        return NULL;
    }
    struct block *new = sw_alloc(arena->ctx, total);
    if (!new)
        return NULL;
    if (arena->next_size < LARGEST_BLOCK)
        arena->next_size *= 2;
    *new = (struct block){.size = size};
    arena->bytes += total;
    if (!block) {
        arena->first = new;
        return new;
    }
    while (block->next)
        block = block->next;
    block->next = new;
    return new;
}

void *sw_arena_alloc(sw_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - 15) {
        sw_fail(SW_NO_MEMORY, "no memory: %zu bytes wanted", bytes);
        return NULL;
    }
    size_t rounded = bytes ? sw_align_up(bytes, 16) : 16;
    struct block *block = block_with(arena, rounded);
    if (!block)
        return NULL;
    arena->current = block;
    void *memory = block->bytes + block->used;
    block->used += rounded;
    return memset(memory, 0, rounded);
}

void *sw_arena_array(sw_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!sw_mul_size(count, size, &bytes)) {
        sw_fail(SW_NO_MEMORY, "no memory: %zu times %zu bytes wanted", count, size);
        return NULL;
    }
    return sw_arena_alloc(arena, bytes);
}

void *sw_arena_copy(sw_arena *arena, const void *bytes, size_t count)
{
    void *copy = sw_arena_alloc(arena, count);
    return copy && count ? memcpy(copy, bytes, count) : copy;
}

char *sw_arena_strndup(sw_arena *arena, const char *text, size_t length)
{
    char *copy = sw_arena_alloc(arena, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

char *sw_arena_strdup(sw_arena *arena, const char *text) { return sw_arena_strndup(arena, text, strlen(text)); }

char *sw_arena_format(sw_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : sw_arena_alloc(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

sw_arena_mark sw_arena_mark_now(const sw_arena *arena)
{
    return (sw_arena_mark){arena->current, arena->current ? arena->current->used : 0};
}

void sw_arena_rewind(sw_arena *arena, sw_arena_mark mark)
{
    arena->current = mark.block ? mark.block : arena->first;
    if (arena->current)
        arena->current->used = mark.used;
}

void sw_arena_reset(sw_arena *arena) { sw_arena_rewind(arena, (sw_arena_mark){0}); }

size_t sw_arena_bytes(const sw_arena *arena) { return arena->bytes; }

sw_context *sw_arena_context(const sw_arena *arena) { return arena->ctx; }
