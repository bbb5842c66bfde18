/* base/vec.h: growing arrays and a string map, both through sw_alloc. Not thread-safe. Uses: alloc.h. */
#ifndef SW_BASE_VEC_H
#define SW_BASE_VEC_H

#include "base/alloc.h"

/* A growing array of T: `sw_vec(int) v = {0};`. Growth doubles. */
#define sw_vec(T)                                                                                                      \
    struct {                                                                                                           \
        T *items;                                                                                                      \
        size_t count, capacity;                                                                                        \
    }

/* Room for `more` items behind v->count; SW_NO_MEMORY/SW_BUDGET on failure, the vector untouched. */
#define sw_vec_reserve(ctx, v, more)                                                                                   \
    sw_vec_grow((ctx), (void **)&(v)->items, &(v)->capacity, (v)->count, (more), sizeof *(v)->items)
/* Appends `item`; a status. */
#define sw_vec_push(ctx, v, item)                                                                                      \
    ((v)->count < (v)->capacity || sw_vec_reserve((ctx), (v), 1) == SW_OK ? ((v)->items[(v)->count++] = (item), SW_OK) \
                                                                          : sw_alloc_status())
#define sw_vec_free(ctx, v) (sw_free((ctx), (v)->items), (v)->items = NULL, (v)->count = (v)->capacity = 0)

sw_status sw_vec_grow(sw_context *ctx, void **items, size_t *capacity, size_t count, size_t more, size_t size);

/* String -> pointer. Keys are copied. Iteration order is insertion order. */
typedef struct sw_strmap sw_strmap;
sw_strmap *sw_strmap_new(sw_context *ctx);
void sw_strmap_free(sw_strmap *map);
sw_status sw_strmap_set(sw_strmap *map, const char *key, void *value); /* replaces */
void *sw_strmap_get(const sw_strmap *map, const char *key);            /* NULL when absent */
void *sw_strmap_remove(sw_strmap *map, const char *key);
size_t sw_strmap_count(const sw_strmap *map);
void *sw_strmap_at(const sw_strmap *map, size_t index, const char **key);

#endif
