/* ops/sample.h: words in which the rows write their samples for the walks of the tests. Uses: graph/op.h. */
#ifndef SW_OPS_SAMPLE_H
#define SW_OPS_SAMPLE_H

#include "graph/op.h"

/* clang-format off */
/* One attribute as the initialiser of a static sw_attr. */
#define SW_SET_INT(name_, v) {.name = (name_), .kind = SW_ATTR_INT, .i = (v)}
#define SW_SET_FLOAT(name_, v) {.name = (name_), .kind = SW_ATTR_FLOAT, .f = (v)}
#define SW_SET_TEXT(name_, v) {.name = (name_), .kind = SW_ATTR_STRING, .s = (v)}
#define SW_SET_DTYPE(name_, v) {.name = (name_), .kind = SW_ATTR_DTYPE, .i = (v)}
#define SW_SET_INTS(name_, ...)                                                                                        \
    {.name = (name_), .kind = SW_ATTR_INTS, .count = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),        \
     .ints = (const int64_t[]){__VA_ARGS__}}
/* The attributes of a sample, counted. */
#define SW_WITH(...)                                                                                                   \
    .attrs = {__VA_ARGS__}, .attrs_count = (int)(sizeof((sw_attr[]){__VA_ARGS__}) / sizeof(sw_attr))
/* The contents of a small integer input. */
#define SW_I64S(...) (const int64_t[]){__VA_ARGS__}
/* The samples of a row from their array. */
#define SW_SAMPLES(items_) {.count = (int)(sizeof(items_) / sizeof *(items_)), .items = (items_)}
/* clang-format on */

#endif
