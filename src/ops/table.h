/* ops/table.h: the op table as a whole. Uses: row.h's rooms. */
#ifndef SW_OPS_TABLE_H
#define SW_OPS_TABLE_H

#include "graph/op.h"

/* Registers every row of this room in `ctx`. */
sw_status sw_ops_register(sw_context *ctx);

#endif
