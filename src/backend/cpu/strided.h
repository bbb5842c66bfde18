/* backend/cpu/strided.h: copies between two ways of laying the same elements out. Uses: graph/engine.h. */
#ifndef SW_BACKEND_CPU_STRIDED_H
#define SW_BACKEND_CPU_STRIDED_H

#include "graph/engine.h"

/* One more axis than a tensor has: blocked layouts split their channels. */
typedef struct sw_strided {
    int rank;
    size_t element; /* bytes: 1, 2, 4, 8, or 16 */
    int64_t dims[SW_MAX_RANK + 1], to[SW_MAX_RANK + 1],
        from[SW_MAX_RANK + 1]; /* strides in elements; from may be 0 or negative */
} sw_strided;
/* Adds an axis; axes may come in any order. */
void sw_strided_axis(sw_strided *copy, int64_t dim, int64_t to, int64_t from);
void sw_strided_run(const sw_strided *copy, sw_team *team, void *to, const void *from);

#endif
