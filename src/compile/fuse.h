/* compile/fuse.h: what the fusing passes share: making a fused row of a plain one. Uses: pass.h. */
#ifndef SW_COMPILE_FUSE_H
#define SW_COMPILE_FUSE_H

#include "compile/pass.h"

enum { SW_FUSED_BIAS = 2, SW_FUSED_RESIDUAL = 3, SW_FUSED_INPUTS = 4 };

/* A node as FusedConv or FusedMatMul would have it: the same inputs, nothing fused yet. False for other rows, and for a
 * Gemm that scales. */
typedef struct sw_fusing {
    const char *op; /* "FusedConv", "FusedMatMul" */
    sw_value *inputs[SW_FUSED_INPUTS];
    const char *activation; /* "none" or what the node has already */
    double alpha, beta;
} sw_fusing;
bool sw_fusing_of(const sw_node *node, sw_fusing *fusing);
/* True when the backend takes the row with this activation. */
bool sw_fusing_allowed(const sw_compiling *c, const sw_fusing *fusing, const char *activation);
/* Makes the fused row where `last` stands and puts it in last's place; `node` goes. */
sw_status sw_fuse(sw_compiling *c, sw_node *node, sw_node *last, const sw_fusing *fusing);

#endif
