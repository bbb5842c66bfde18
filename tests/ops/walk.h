/* What the walks over the op table share: samples become tensors, nodes and calls.
 *
 * A sample names dims, attributes and ranges; everything else is drawn at fixed seeds, so that a walk is the same on
 * every machine. A row's ports say which element types to draw. */
#ifndef TEST_OPS_WALK_H
#define TEST_OPS_WALK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "graph/dim.h"
#include "graph/engine.h"
#include "graph/op.h"
#include "slipway/ops.h"
#include "tensor/dtype.h"

#define SHARED __attribute__((unused)) static

/* A row with one of its samples, and where we are, for messages. */
struct place {
    const sw_op *op;
    const sw_sample *sample;
    int index;
};

SHARED const char *place_text(const struct place *p)
{
    static char text[256];
    snprintf(text, sizeof text, "%s, sample %d (%s)", p->op->name, p->index, p->sample->note);
    return text;
}

SHARED const sw_port *port_at(const sw_port *ports, int index)
{
    int last = 0;
    while (last < index && last + 1 < SW_MAX_PORTS && ports[last + 1].name)
        last++;
    return &ports[last];
}

/* The port whose element type decides that of input `index`. */
SHARED int deciding_port(const sw_op *op, int index)
{
    const sw_port *port = port_at(op->inputs, index);
    for (int i = 0; port->same_as && i < SW_MAX_PORTS && op->inputs[i].name; i++)
        if (strcmp(op->inputs[i].name, port->same_as) == 0)
            return deciding_port(op, i);
    return (int)(port - op->inputs);
}

/* `wanted` for floating ports that leave a choice; a sample's own word otherwise; else the first class allowed. */
SHARED sw_dtype sample_dtype(const struct place *p, int index, sw_dtype wanted)
{
    int decides = deciding_port(p->op, index);
    sw_dtype own = p->sample->dtype[index] ? p->sample->dtype[index] : p->sample->dtype[decides];
    sw_dtypes allowed = p->op->inputs[decides].dtypes;
    if (own)
        return own;
    if (wanted && allowed & SW_DT(wanted))
        return wanted;
    for (int d = 1; d < SW_DTYPE_COUNT; d++)
        if (allowed & SW_DT(d))
            return (sw_dtype)d;
    return SW_DTYPE_NONE;
}

SHARED bool is_absent(const struct place *p, int index) { return (p->sample->absent >> index) & 1; }

SHARED void fill(const struct place *p, int index, sw_tensor *tensor, uint64_t seed)
{
    sw_random_address at = {.seed = seed, .stream = (uint32_t)index};
    double low = p->sample->low, high = p->sample->high;
    if (low == high)
        low = -2, high = 2;
    sw_dtype dtype = sw_tensor_dtype(tensor);
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++) {
        void *data = sw_tensor_data(tensor);
        if (p->sample->ints[index])
            sw_store_i64(dtype, data, i, p->sample->ints[index][i]);
        else if (sw_dtype_is_float(dtype))
            sw_store_f64(dtype, data, i, low + (high - low) * sw_random_double(at, (uint64_t)i));
        else if (dtype == SW_BOOL)
            sw_store_u64(dtype, data, i, sw_random_below(at, (uint64_t)i, 2));
        else {
            uint32_t bound = p->sample->integer_max[index];
            sw_store_u64(dtype, data, i, sw_random_below(at, (uint64_t)i, bound ? bound : 8));
        }
    }
}

/* Inputs of a sample; absent ones are NULL. Released with release_all. */
SHARED void make_inputs(sw_context *ctx, const struct place *p, sw_dtype wanted, uint64_t seed, sw_tensor **inputs)
{
    for (int i = 0; i < p->sample->inputs_count; i++) {
        inputs[i] = NULL;
        if (is_absent(p, i))
            continue;
        inputs[i] = sw_tensor_new(ctx, sample_dtype(p, i, wanted), p->sample->dims[i]);
        if (inputs[i] == NULL)
            fail_msg("%s: %s", place_text(p), sw_error_text());
        fill(p, i, inputs[i], seed);
    }
}

SHARED void release_all(sw_tensor **tensors, int count)
{
    for (int i = 0; i < count; i++)
        sw_tensor_release(tensors[i]);
}

/* Shapes, axes and the like are given as constants: inference looks into them. */
SHARED bool is_shape_value(const struct place *p, int index)
{
    return port_at(p->op->inputs, index)->flags & SW_PORT_SHAPE_VALUE;
}

SHARED int sample_outputs(const struct place *p)
{
    int count = 0;
    while (count < SW_MAX_PORTS && p->op->outputs[count].name)
        count++;
    if (count > 0 && p->op->outputs[count - 1].flags & SW_PORT_VARIADIC)
        for (int i = 0; i < p->sample->attrs_count; i++)
            if (p->sample->attrs[i].kind == SW_ATTR_INTS && strcmp(p->sample->attrs[i].name, "sizes") == 0)
                return p->sample->attrs[i].count;
    while (count > 1 && p->op->outputs[count - 1].flags & SW_PORT_OPTIONAL && p->op->outputs[count - 1].same_as) {
        int from = 0;
        while (strcmp(p->op->inputs[from].name, p->op->outputs[count - 1].same_as) != 0)
            from++;
        if (!is_absent(p, from) && from < p->sample->inputs_count)
            break;
        count--;
    }
    return count;
}

/* Adds the sample's node to `g`; its outputs, how many. */
SHARED int add_node(sw_graph *g, const struct place *p, sw_tensor *const *inputs, sw_value **in, sw_value **out)
{
    int outputs = sample_outputs(p);
    for (int i = 0; i < p->sample->inputs_count; i++)
        in[i] = !inputs[i] ? SW_NONE : is_shape_value(p, i) ? sw_constant(g, inputs[i]) : sw_input(g, inputs[i]);
    sw_node_add(g, p->op->name, in, p->sample->inputs_count, p->sample->attrs, p->sample->attrs_count, out, outputs);
    return outputs;
}

/* Computes the sample on `inputs` by the reference: fresh outputs, how many. */
SHARED int compute(sw_context *ctx, const struct place *p, sw_tensor *const *inputs, sw_tensor **outputs)
{
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
    int count = add_node(g, p, inputs, in, out);
    if (!sw_ok(g))
        fail_msg("%s: %s", place_text(p), sw_graph_error(g));
    for (int i = 0; i < count; i++)
        outputs[i] = sw_tensor_retain(sw_value_tensor(out[i]));
    sw_graph_free(g);
    return count;
}

SHARED bool same_bits(const sw_tensor *a, const sw_tensor *b)
{
    if (sw_tensor_dtype(a) != sw_tensor_dtype(b) || !sw_dims_equal(sw_tensor_dims(a), sw_tensor_dims(b)))
        return false;
    bool halves = sw_dtype_bits(sw_tensor_dtype(a)) == 4; /* the last byte may have a half that nobody wrote */
    for (int64_t i = 0; halves && i < sw_tensor_count(a); i++)
        if (sw_tensor_get_int(a, i) != sw_tensor_get_int(b, i))
            return false;
    return halves || memcmp(sw_tensor_data(a), sw_tensor_data(b), sw_tensor_bytes(a)) == 0;
}

/* Calls `visit` for every sample of every row that has a body. */
SHARED void each_sample(sw_context *ctx, void (*visit)(sw_context *ctx, const struct place *p))
{
    for (int i = 0; i < sw_op_count(ctx); i++) {
        struct place p = {.op = sw_op_at(ctx, i)};
        for (int k = 0; p.op->samples && k < p.op->samples->count; k++) {
            p.sample = &p.op->samples->items[k];
            p.index = k;
            visit(ctx, &p);
        }
    }
}

/* The walks are about reference bodies: other backends are compared with them in tests/backend. */
SHARED int open_context(void **state)
{
    *state = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .backend = "ref"});
    return *state ? 0 : -1;
}

SHARED int close_context(void **state)
{
    sw_context_free(*state);
    return 0;
}

#endif
