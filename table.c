/* table.c: every row of the op table, family by family.
 *
 * A row stands in its family's file and is named here once; whatever reads the table (inference, gradients, documentation,
 * the walk of the tests) goes through the context's registry. */
#include "ops/table.h"


static const sw_op *const rows[] = {
};

sw_status sw_ops_register(sw_context *ctx)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        SW_TRY(sw_op_register(ctx, rows[i]));
    return SW_OK;
}
