/* build.c: the small steps that builders and gradient rules are written in.
 *
 * A gradient rule reads as its formula; what broadcasting did to a value on the way forward is undone here, in one
 * place. Every function gives NULL once the graph has failed, as the public builders do. */
#include "ops/row.h"

sw_value *sw_row_add(sw_graph *g, const char *op, int inputs_count, sw_value *const *inputs, int attrs_count,
                     const sw_attr *attrs)
{
    return sw_node_add(g, op, inputs, inputs_count, attrs, attrs_count, NULL, 1);
}

sw_value *sw_unary(sw_graph *g, const char *op, sw_value *x) { return sw_row_add(g, op, SW_VALUES(x), SW_NO_ATTRS); }

sw_value *sw_binary_of(sw_graph *g, const char *op, sw_value *a, sw_value *b)
{
    return sw_row_add(g, op, SW_VALUES(a, b), SW_NO_ATTRS);
}

int sw_value_rank(const sw_value *value) { return value == NULL || value == SW_NONE ? -1 : sw_value_type(value)->rank; }

sw_dtype sw_value_dtype(const sw_value *value)
{
    return value == NULL || value == SW_NONE ? SW_DTYPE_NONE : sw_value_type(value)->dtype;
}

sw_value *sw_scalar_like(sw_graph *g, sw_value *x, double c)
{
    return x == NULL ? NULL : sw_scalar(g, sw_value_dtype(x), c);
}

sw_value *sw_zeros_like(sw_graph *g, sw_value *like)
{
    return sw_expand(g, sw_scalar_like(g, like, 0), sw_shape_of(g, like));
}

static bool dims_known(const sw_type *type)
{
    for (int i = 0; i < type->rank; i++)
        if (!sw_dim_known(type->dims[i]))
            return false;
    return type->rank >= 0;
}

sw_value *sw_reshape_like(sw_graph *g, sw_value *x, sw_value *like)
{
    if (x == NULL || like == NULL)
        return NULL;
    const sw_type *to = sw_value_type(like);
    if (dims_known(to))
        return sw_reshape_to(g, x, sw_ints(g, to->rank, to->dims));
    return sw_reshape_to(g, x, sw_shape_of(g, like));
}

/* How dy must be summed to become like: which axes of dy, or that only run time can tell. */
static bool sum_axes(sw_graph *g, const sw_type *dy, const sw_type *like, int64_t *leading, int *leading_count,
                     int64_t *inner, int *inner_count)
{
    int extra = dy->rank - like->rank;
    *leading_count = *inner_count = 0;
    if (dy->rank < 0 || like->rank < 0 || extra < 0)
        return false;
    for (int i = 0; i < extra; i++)
        leading[(*leading_count)++] = i;
    for (int i = 0; i < like->rank; i++) {
        sw_dim from = dy->dims[extra + i], to = like->dims[i];
        if (sw_dim_always_equal(g, from, to))
            continue;
        if (to != 1)
            return false;
        inner[(*inner_count)++] = i;
    }
    return true;
}

sw_value *sw_sum_to(sw_graph *g, sw_value *dy, sw_value *like)
{
    if (dy == NULL || like == NULL)
        return NULL;
    int64_t leading[SW_MAX_RANK], inner[SW_MAX_RANK];
    int leading_count, inner_count;
    if (!sum_axes(g, sw_value_type(dy), sw_value_type(like), leading, &leading_count, inner, &inner_count))
        return sw_binary_of(g, "SumTo", dy, like);
    if (leading_count > 0)
        dy = sw_reduce_sum(g, dy, leading_count, leading, false);
    if (inner_count > 0)
        dy = sw_reduce_sum(g, dy, inner_count, inner, true);
    return dy;
}

int sw_node_attrs(const sw_node *node, sw_attr *attrs)
{
    const sw_attr_row *rows = sw_node_op(node)->attrs;
    int count = 0;
    for (int i = 0; i < SW_MAX_ATTRS && rows[i].name; i++) {
        const sw_attr *attr = sw_node_attr(node, rows[i].name);
        if (attr->given)
            attrs[count++] = *attr;
    }
    return count;
}
