/* base/arena.h: memory for things that live and die together (a graph, a request, a parsed file).
 *
 * Bump allocation from blocks that double up to 1 MiB; one release at the end, or a rewind to a mark. Not
 * thread-safe: an arena has one owner at a time. Uses: alloc.h. */
#ifndef SW_BASE_ARENA_H
#define SW_BASE_ARENA_H

#include "base/alloc.h"

typedef struct sw_arena sw_arena;
typedef struct sw_arena_mark {
    void *block;
    size_t used;
} sw_arena_mark;

sw_arena *sw_arena_new(sw_context *ctx);
void sw_arena_free(sw_arena *arena); /* NULL is allowed */

/* 16-aligned, zeroed; NULL with a text on failure. Valid until the arena is freed or rewound past it. */
void *sw_arena_alloc(sw_arena *arena, size_t bytes);
void *sw_arena_array(sw_arena *arena, size_t count, size_t size); /* overflow-checked */
void *sw_arena_copy(sw_arena *arena, const void *bytes, size_t count);
char *sw_arena_strdup(sw_arena *arena, const char *text);
char *sw_arena_strndup(sw_arena *arena, const char *text, size_t length);
char *sw_arena_format(sw_arena *arena, const char *format, ...) SW_PRINTF(2, 3);

/* Rewind keeps the blocks for the next use, so a request loop reaches a steady state without allocating. */
sw_arena_mark sw_arena_mark_now(const sw_arena *arena);
void sw_arena_rewind(sw_arena *arena, sw_arena_mark mark);
void sw_arena_reset(sw_arena *arena); /* to the very beginning */
size_t sw_arena_bytes(const sw_arena *arena);
sw_context *sw_arena_context(const sw_arena *arena);

#endif
