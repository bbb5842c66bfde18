/* graph/op.h: what a row of the op table is.
 *
 * One constant struct says everything about an op: its ports, attributes, inference, gradient, cost, flags and a
 * plain reference body that is the truth every fast kernel is tested against. Eager execution, shape inference,
 * gradients, cost model, import, export and documentation all read this one row. The graph room knows the form of
 * a row and no row. Uses: slipway/graph.h, tensor/view.h. */
#ifndef SW_GRAPH_OP_H
#define SW_GRAPH_OP_H

#include "base/status.h"
#include "slipway/graph.h"
#include "tensor/view.h"

/* ---- classes of element types ---- */
typedef uint32_t sw_dtypes; /* a bit per sw_dtype */
#define SW_DT(dtype) (1u << (dtype))
#define SW_FLOATING (SW_DT(SW_F64) | SW_DT(SW_F32) | SW_DT(SW_F16) | SW_DT(SW_BF16))
#define SW_FLOAT8 (SW_DT(SW_F8E4M3FN) | SW_DT(SW_F8E4M3FNUZ) | SW_DT(SW_F8E5M2) | SW_DT(SW_F8E5M2FNUZ))
#define SW_INTEGER                                                                                                     \
    (SW_DT(SW_I64) | SW_DT(SW_I32) | SW_DT(SW_I16) | SW_DT(SW_I8) | SW_DT(SW_U64) | SW_DT(SW_U32) | SW_DT(SW_U16) |    \
     SW_DT(SW_U8))
#define SW_INT4 (SW_DT(SW_I4) | SW_DT(SW_U4))
#define SW_NUMERIC (SW_FLOATING | SW_INTEGER)
#define SW_INDEX (SW_DT(SW_I64) | SW_DT(SW_I32))
#define SW_ANY (SW_NUMERIC | SW_FLOAT8 | SW_INT4 | SW_DT(SW_BOOL) | SW_DT(SW_STRING))

enum { SW_MAX_PORTS = 16, SW_MAX_ATTRS = 20 };

typedef enum sw_port_flag {
    SW_PORT_OPTIONAL = 1,       /* may be SW_NONE */
    SW_PORT_VARIADIC = 2,       /* the last port: any number of values */
    SW_PORT_SHAPE_ONLY = 4,     /* only its type is used: the value need not be kept for it */
    SW_PORT_SHAPE_VALUE = 8,    /* a small integer tensor whose contents decide the output's shape */
    SW_PORT_HETEROGENEOUS = 16, /* variadic values may differ in type */
    SW_PORT_NO_GRADIENT = 32,   /* floating, but gradients neither reach this input nor come from this output */
} sw_port_flag;

typedef struct sw_port {
    const char *name;    /* NULL ends the list */
    sw_dtypes dtypes;    /* 0 with `same_as`: that port's element type */
    const char *same_as; /* the input port whose element type this one shares */
    unsigned flags;
    sw_kind kind; /* SW_TENSOR by default */
} sw_port;
#define SW_SAME_AS(port) .same_as = (port)

typedef enum sw_attr_kind {
    SW_ATTR_NONE,
    SW_ATTR_INT,
    SW_ATTR_FLOAT,
    SW_ATTR_STRING,
    SW_ATTR_INTS,
    SW_ATTR_FLOATS,
    SW_ATTR_TENSOR,
    SW_ATTR_DTYPE,
    SW_ATTR_GRAPH,
    SW_ATTR_STRINGS
} sw_attr_kind;

/* A value of an attribute, as given to a builder and as kept in a node (copied into the graph's arena; tensors are
 * retained). */
typedef struct sw_attr {
    const char *name;
    sw_attr_kind kind;
    bool given; /* false: this is the default */
    int count;  /* INTS, FLOATS, STRINGS */
    union {
        int64_t i; /* INT; DTYPE as sw_dtype; bools are ints */
        double f;
        const char *s;
        const int64_t *ints;
        const double *floats;
        const char *const *strings;
        sw_tensor *tensor;
        sw_graph *graph;
    };
} sw_attr;
#define SW_ATTR_I(name_, value) ((sw_attr){.name = (name_), .kind = SW_ATTR_INT, .i = (value)})
#define SW_ATTR_F(name_, value) ((sw_attr){.name = (name_), .kind = SW_ATTR_FLOAT, .f = (value)})
#define SW_ATTR_S(name_, value) ((sw_attr){.name = (name_), .kind = SW_ATTR_STRING, .s = (value)})
#define SW_ATTR_D(name_, value) ((sw_attr){.name = (name_), .kind = SW_ATTR_DTYPE, .i = (value)})
#define SW_ATTR_IS(name_, n, values) ((sw_attr){.name = (name_), .kind = SW_ATTR_INTS, .count = (n), .ints = (values)})
#define SW_ATTR_FS(name_, n, values)                                                                                   \
    ((sw_attr){.name = (name_), .kind = SW_ATTR_FLOATS, .count = (n), .floats = (values)})

/* A row's attribute: its kind, default, and what it means. */
typedef struct sw_attr_row {
    const char *name; /* NULL ends the list */
    sw_attr_kind kind;
    bool required;
    int64_t i; /* defaults; INTS and FLOATS default to empty */
    double f;
    const char *s;
    const char *choices; /* STRING: "none|tanh"; NULL: anything */
    const char *doc;
} sw_attr_row;

/* ---- what a body is called with: the reference and every kernel ---- */
typedef struct sw_team sw_team; /* engine.h */
typedef struct sw_call {
    sw_context *ctx;
    const sw_node *node; /* attributes; not its values' types, which may be symbolic */
    int inputs_count, outputs_count;
    const sw_view *inputs; /* absent ones have data == NULL and dtype SW_DTYPE_NONE */
    sw_view *outputs;      /* placed, dims known; but for SW_DATA_SHAPED rows: see sw_call_place */
    void *scratch;         /* what prepare asked for, 64-aligned, undefined contents */
    void *prepared;        /* the kernel's state (engine.h) */
    sw_team *team;         /* NULL: one thread */
    const sw_cancel *cancel;
    /* Places output `index` once its dims are known; only SW_DATA_SHAPED rows call it. */
    sw_status (*place)(struct sw_call *call, int index, sw_dims dims);
    void *owner; /* of `place` */
} sw_call;

typedef struct sw_cost {
    double flops;
    double bytes; /* read and written, each once */
} sw_cost;

/* ---- inference ---- */
typedef struct sw_infer {
    sw_graph *g;
    const sw_node *node;           /* inputs with their types and known contents */
    sw_type outputs[SW_MAX_PORTS]; /* to be filled; dtype and kind are filled from the ports beforehand */
    /* Known contents of small integer outputs (shapes), as dims: set by sw_infer_contents. */
    const sw_dim *contents[SW_MAX_PORTS];
    int contents_count[SW_MAX_PORTS];
} sw_infer;

/* The contents of an integer value when they are known at build time (a constant, or computed from shapes): *dims in
 * the graph's arena, row-major. False when not known. At most 4096 elements. */
bool sw_value_contents(sw_graph *g, const sw_value *value, const sw_dim **dims, int *count);
void sw_infer_contents(sw_infer *infer, int output, const sw_dim *dims, int count);
/* SW_SHAPE with "Conv 'name' (x f32[…], w f32[…]): <format>". */
sw_status sw_infer_fail(const sw_infer *infer, const char *format, ...) SW_PRINTF(2, 3);

/* ---- gradients ---- */
/* Fills dx[i] (SW_NONE at first) for inputs that can have one. dy[k] is SW_NONE where output k has no gradient. */
typedef sw_status (*sw_grad_fn)(sw_graph *g, const sw_node *n, sw_value *const *dy, sw_value **dx);
typedef enum sw_grad_kind {
    SW_GRAD_FORGOTTEN = 0, /* a row without a word on its gradient: the table walk fails */
    SW_GRAD_RULE,          /* .rule */
    SW_NOT_DIFFERENTIABLE, /* gradients stop here */
    SW_BY_DECOMPOSITION,   /* through .decompose */
} sw_grad_kind;
#define SW_KEEP_INPUT(i) (1u << (i))
#define SW_KEEP_OUTPUT(i) (1u << (16 + (i)))
/* Inside a rule: whether anybody wants the gradient of input `input`. A rule may leave dx[input] SW_NONE when not,
 * which saves an awake graph the work. */
bool sw_grad_wants(const sw_graph *g, int input);
typedef struct sw_grad_row {
    sw_grad_kind kind;
    sw_grad_fn rule;
    uint32_t keeps; /* values that the rule reads: the rest may be freed before backward */
} sw_grad_row;

typedef enum sw_op_flag {
    SW_ELEMENTWISE = 1,   /* outputs have the broadcast dims of the inputs; element i depends on elements i */
    SW_DETERMINISTIC = 2, /* same inputs, same bits */
    SW_RANDOM = 4,        /* draws at an address: never merged */
    SW_VIEW_OF_FIRST = 8, /* output 0 is input 0's elements in the same order: may share storage */
    SW_COMMUTATIVE = 16,  /* inputs 0 and 1 may be swapped */
    SW_DATA_SHAPED = 32,  /* output dims depend on contents: sw_call.place */
    /* Output 0 may overwrite input 0 when that has no later reader and equal type. In rows whose outputs are named
     * "next_x", each may overwrite the input port "x" instead; such rows, like elementwise ones, cannot fail. */
    SW_IN_PLACE_FIRST = 64,
    SW_FUSED_ROW = 128, /* made by the compiler after differentiation */
    SW_STATEFUL = 256,  /* reads or assigns state: never merged, removed or reordered across others of its state */
    SW_LEAF = 512,      /* input, constant, state read: has no body */
} sw_op_flag;

struct sw_op {
    size_t struct_size; /* sizeof(sw_op) */
    const char *name;   /* "Conv" */
    const char *doc;    /* one or two sentences; the formula */
    sw_port inputs[SW_MAX_PORTS];
    sw_port outputs[SW_MAX_PORTS];
    sw_attr_row attrs[SW_MAX_ATTRS];
    sw_status (*infer)(sw_infer *infer);
    sw_grad_row grad;
    /* An equal graph of simpler rows: fills outputs[]. NULL where there is none. */
    sw_status (*decompose)(sw_graph *g, const sw_node *n, sw_value **outputs);
    /* For concrete dims (views without data). NULL: bytes of the ports, 1 flop per output element. */
    sw_cost (*cost)(const sw_call *call);
    unsigned flags;
    sw_status (*reference)(const sw_call *call); /* NULL only for SW_LEAF and pure decompositions */
    /* Random valid inputs for the table walk; NULL: the walk makes them from ports (floats in [-2, 2], …). */
    const struct sw_op_samples *samples;
};

/* A sample for the walk: how to call the row so that it means something. */
typedef struct sw_sample {
    const char *note;
    sw_dims dims[SW_MAX_PORTS]; /* of each input given */
    int inputs_count;
    sw_attr attrs[SW_MAX_ATTRS];
    int attrs_count;
    double low, high;                   /* range of floating inputs; low == high: [-2, 2] */
    uint32_t integer_max[SW_MAX_PORTS]; /* integer inputs: exclusive bound of contents; 0: 8 */
    const int64_t *ints[SW_MAX_PORTS];  /* contents of small integer inputs (shapes, axes), or NULL */
    sw_dtype dtype[SW_MAX_PORTS];       /* SW_DTYPE_NONE: the port's first floating, else first class */
    uint32_t absent;                    /* bit i: input i is SW_NONE */
    bool smooth_off;                    /* not smooth here (ties, kinks): no finite differences */
} sw_sample;
typedef struct sw_op_samples {
    int count;
    const sw_sample *items;
} sw_op_samples;

/* ---- the registry of a context ---- */
/* Registers a row (it must outlive the context). SW_EXISTS for a taken name; SW_INVALID for a malformed row. */
sw_status sw_op_register(sw_context *ctx, const sw_op *op);
const sw_op *sw_op_find(sw_context *ctx, const char *name); /* NULL when unknown */
int sw_op_count(sw_context *ctx);
const sw_op *sw_op_at(sw_context *ctx, int index); /* by name */

/* ---- nodes, for rows, passes and backends ---- */
/* Adds a node: checks arity and attributes, infers, and in an awake graph computes. Returns output 0 (NULL when the
 * graph failed; SW_NONE when the row has none); `outputs`, when given, receives `outputs_count` of them. The node has
 * outputs_count outputs, and never fewer than the row's that are not optional. Trailing absent inputs may be left out.
 */
sw_value *sw_node_add(sw_graph *g, const char *op, sw_value *const *inputs, int inputs_count, const sw_attr *attrs,
                      int attrs_count, sw_value **outputs, int outputs_count);
/* The same for a row at hand, registered or not. */
sw_value *sw_node_add_op(sw_graph *g, const sw_op *op, sw_value *const *inputs, int inputs_count, const sw_attr *attrs,
                         int attrs_count, sw_value **outputs, int outputs_count);

const sw_op *sw_node_op(const sw_node *node);
const char *sw_node_name(const sw_node *node); /* unique in its graph: given, or "Conv_12" */
sw_status sw_node_set_name(sw_node *node, const char *name);
int sw_node_input_count(const sw_node *node);
sw_value *sw_node_input(const sw_node *node, int index); /* SW_NONE when absent or beyond the end */
int sw_node_output_count(const sw_node *node);
sw_value *sw_node_output(const sw_node *node, int index); /* SW_NONE when not made */
sw_state *sw_node_state(const sw_node *node);             /* Read and Assign nodes, else NULL */

/* Attributes by name, with the row's default where not given. Asking for one the row lacks is a fault of Slipway and
 * gives 0/NULL. */
const sw_attr *sw_node_attr(const sw_node *node, const char *name);
int64_t sw_attr_int(const sw_node *node, const char *name);
double sw_attr_float(const sw_node *node, const char *name);
const char *sw_attr_string(const sw_node *node, const char *name);
/* Copies at most `max` ints; returns how many there are. */
int sw_attr_ints(const sw_node *node, const char *name, int64_t *ints, int max);

#endif
