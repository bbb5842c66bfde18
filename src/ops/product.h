/* ops/product.h: the sums behind Conv and MatMul, for the rows that do more with them. Uses: row.h. */
#ifndef SW_OPS_PRODUCT_H
#define SW_OPS_PRODUCT_H

#include "ops/window.h"

#define SW_CONV_ATTRS                                                                                                  \
    SW_WINDOW_ATTRS, { "groups", SW_ATTR_INT, .i = 1, .doc = "channels are split into groups that do not mix" }
#define SW_TRANSPOSE_ATTRS                                                                                             \
    {"transpose_a", SW_ATTR_INT, .doc = "swap the last two dims of a first"},                                          \
    {                                                                                                                  \
        "transpose_b", SW_ATTR_INT, .doc = "swap the last two dims of b first"                                         \
    }

/* Inference of x, w, b at inputs 0, 1, 2 and of a, b at 0, 1. */
sw_status sw_conv_infer(sw_infer *infer);
sw_status sw_matmul_infer(sw_infer *infer);
/* The result before rounding, row-major, with the bias when input 2 is given (Conv); a and b floating (MatMul). From
 * `desk`. */
sw_status sw_conv_compute(const sw_call *call, sw_arena *desk, double **values);
sw_status sw_matmul_compute(const sw_call *call, sw_arena *desk, double **values);
sw_cost sw_conv_cost(const sw_call *call);
sw_cost sw_matmul_cost(const sw_call *call);

#endif
