/* infer.c: the inference rules that many rows share.
 *
 * A rule works on dims that may be symbols or unknown; it fails only on what can never fit, and leaves to run time what
 * a number must decide. It never looks at a tensor's contents but through the graph, which knows those of shapes. */
#include "ops/row.h"

const sw_type *sw_infer_type(const sw_infer *infer, int index)
{
    sw_value *value = sw_node_input(infer->node, index);
    return value == NULL || value == SW_NONE ? NULL : sw_value_type(value);
}

void sw_infer_dims(sw_infer *infer, int output, int rank, const sw_dim *dims)
{
    sw_type *type = &infer->outputs[output];
    type->rank = rank;
    for (int i = 0; i < rank; i++)
        type->dims[i] = dims[i];
}

void sw_infer_copy(sw_infer *infer, int output, const sw_type *type)
{
    sw_infer_dims(infer, output, type->rank, type->dims);
}

sw_status sw_infer_unknown(sw_infer *infer)
{
    for (int i = 0; i < SW_MAX_PORTS; i++)
        infer->outputs[i].rank = -1;
    return SW_OK;
}

static int outputs_count(const sw_infer *infer)
{
    return infer->node->outputs_count < SW_MAX_PORTS ? infer->node->outputs_count : SW_MAX_PORTS;
}

sw_status sw_infer_elementwise(sw_infer *infer)
{
    sw_type all = {.rank = 0};
    for (int i = 0; i < sw_node_input_count(infer->node); i++) {
        const sw_type *type = sw_infer_type(infer, i);
        if (type == NULL)
            continue;
        if (type->rank < 0)
            return sw_infer_unknown(infer);
        int rank = type->rank > all.rank ? type->rank : all.rank;
        sw_dim dims[SW_MAX_RANK];
        for (int k = 1; k <= rank; k++) {
            sw_dim a = k <= all.rank ? all.dims[all.rank - k] : 1, b = k <= type->rank ? type->dims[type->rank - k] : 1;
            bool ok = true;
            dims[rank - k] = sw_dim_broadcast(infer->g, a, b, &ok);
            if (!ok) {
                char left[64], right[64];
                return sw_infer_fail(infer, "dims %s and %s of axis %d from the end do not broadcast",
                                     sw_dim_text(infer->g, a, left, sizeof left),
                                     sw_dim_text(infer->g, b, right, sizeof right), k);
            }
        }
        all.rank = rank;
        memcpy(all.dims, dims, sizeof(sw_dim) * (size_t)rank);
    }
    for (int i = 0; i < outputs_count(infer); i++)
        sw_infer_copy(infer, i, &all);
    return SW_OK;
}

sw_status sw_infer_like_first(sw_infer *infer)
{
    const sw_dim *contents;
    int count;
    bool known = sw_infer_contents_of(infer, 0, &contents, &count);
    for (int i = 0; i < outputs_count(infer); i++) {
        sw_infer_copy(infer, i, sw_infer_type(infer, 0));
        if (known && sw_dtype_is_integer(infer->outputs[i].dtype))
            sw_infer_contents(infer, i, contents, count);
    }
    return SW_OK;
}

sw_status sw_infer_rank(const sw_infer *infer, int index, int low, int high)
{
    const sw_type *type = sw_infer_type(infer, index);
    if (type == NULL || type->rank < 0 || (type->rank >= low && type->rank <= high))
        return SW_OK;
    const char *port = sw_node_op(infer->node)->inputs[index].name;
    if (low == high)
        return sw_infer_fail(infer, "%s has %d dims, needs %d", port, type->rank, low);
    return sw_infer_fail(infer, "%s has %d dims, needs %d to %d", port, type->rank, low, high);
}

sw_status sw_infer_agree(const sw_infer *infer, sw_dim a, sw_dim b, const char *what)
{
    if (!sw_dim_known(a) || !sw_dim_known(b) || a == b)
        return SW_OK;
    return sw_infer_fail(infer, "%s do not agree: %lld != %lld", what, (long long)a, (long long)b);
}

sw_status sw_infer_scalar(const sw_infer *infer, int index)
{
    const sw_type *type = sw_infer_type(infer, index);
    for (int i = 0; type != NULL && i < type->rank; i++)
        if (sw_dim_known(type->dims[i]) && type->dims[i] != 1)
            return sw_infer_fail(infer, "%s must be a scalar", sw_node_op(infer->node)->inputs[index].name);
    return SW_OK;
}

sw_status sw_infer_axis(const sw_infer *infer, int64_t axis, int rank, int *result)
{
    if (axis < -rank || axis >= rank)
        return sw_infer_fail(infer, "axis %lld is outside %d dims (allowed: %d to %d)", (long long)axis, rank, -rank,
                             rank - 1);
    *result = sw_axis(axis, rank);
    return SW_OK;
}

bool sw_infer_contents_of(const sw_infer *infer, int index, const sw_dim **contents, int *count)
{
    sw_value *value = sw_node_input(infer->node, index);
    return value != NULL && value != SW_NONE && sw_value_contents(infer->g, value, contents, count);
}

void sw_infer_binary_contents(sw_infer *infer, sw_dim (*f)(sw_graph *g, sw_dim a, sw_dim b))
{
    const sw_dim *a, *b;
    int a_count, b_count;
    if (infer->outputs[0].rank > 1 || !sw_infer_contents_of(infer, 0, &a, &a_count) ||
        !sw_infer_contents_of(infer, 1, &b, &b_count) || (a_count != b_count && a_count != 1 && b_count != 1))
        return;
    int count = a_count == 1 ? b_count : a_count;
    sw_dim dims[SW_MAX_RANK];
    if (count > SW_MAX_RANK)
        return;
    for (int i = 0; i < count; i++)
        dims[i] = f(infer->g, a[a_count == 1 ? 0 : i], b[b_count == 1 ? 0 : i]);
    sw_infer_contents(infer, 0, dims, count);
}

int sw_axis(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

sw_status sw_axes_marked(const sw_node *node, const char *name, int rank, bool *marked)
{
    int64_t axes[SW_MAX_RANK];
    int count = sw_attr_ints(node, name, axes, SW_MAX_RANK);
    for (int i = 0; i < rank; i++)
        marked[i] = count == 0;
    for (int i = 0; i < count; i++) {
        int axis = i < SW_MAX_RANK ? sw_axis(axes[i], rank) : rank;
        if (axis < 0 || axis >= rank || marked[axis])
            return sw_fail(SW_SHAPE, "axis %lld is outside %d dims or named twice",
                           (long long)(i < SW_MAX_RANK ? axes[i] : 0), rank);
        marked[axis] = true;
    }
    return SW_OK;
}

uint32_t sw_node_stream(const sw_node *node)
{
    int64_t stream = sw_attr_int(node, "stream");
    return stream >= 0 ? (uint32_t)stream : node->stream;
}
