/* cost.c: what rows cost: floating-point operations, and bytes that must pass between memory and processor.
 *
 * Both are counted from the op's meaning, not from a kernel: a forecast divides them by what the machine can do, a
 * benchmark reports its distance from them. */
#include "ops/row.h"

static double bytes_of(const sw_view *views, int count)
{
    double bytes = 0;
    for (int i = 0; i < count; i++)
        if (views[i].dtype != SW_DTYPE_NONE)
            bytes += sw_cost_elements(&views[i]) * sw_dtype_bits(views[i].dtype) / 8;
    return bytes;
}

double sw_cost_elements(const sw_view *view)
{
    double count = 1;
    for (int i = 0; i < view->rank; i++)
        count *= (double)view->dims[i];
    return count;
}

sw_cost sw_cost_of(const sw_call *call, double flops)
{
    return (sw_cost){.flops = flops,
                     .bytes =
                         bytes_of(call->inputs, call->inputs_count) + bytes_of(call->outputs, call->outputs_count)};
}

sw_cost sw_cost_move(const sw_call *call) { return sw_cost_of(call, 0); }

sw_cost sw_cost_elementwise(const sw_call *call) { return sw_cost_of(call, sw_cost_elements(&call->outputs[0])); }

sw_cost sw_cost_per_input(const sw_call *call) { return sw_cost_of(call, sw_cost_elements(&call->inputs[0])); }
