/* results.c: the memory of what the store hands out. */
#include <limits.h>
#include <string.h>

#include "store/inside.h"

void *sw_result_new(sw_context *ctx, size_t size)
{
    sw_arena *arena = sw_arena_new(ctx);
    struct sw_result *result = arena ? sw_arena_alloc(arena, size) : NULL;
    if (!result) {
        sw_arena_free(arena);
        return NULL;
    }
    result->arena = arena;
    return result;
}

char *sw_result_keep(sw_arena *arena, const sw_cell *cell) { return sw_arena_strdup(arena, sw_cell_as_text(cell)); }

/* Grows at powers of two; what is outgrown stays in the arena, at most as much again. */
void *sw_result_grow(sw_arena *arena, void *items, int count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0)
        return items;
    if (count > INT_MAX / 2) {
        sw_fail(SW_NO_MEMORY, "store: more than %d rows in one result", count);
        return NULL;
    }
    void *grown = sw_arena_array(arena, count == 0 ? 1 : (size_t)count * 2, size);
    if (grown && count > 0)
        memcpy(grown, items, (size_t)count * size);
    return grown;
}
