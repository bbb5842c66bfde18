/* formats/onnx_proto.h: an ONNX model as plain structs.
 *
 * onnx.proto's messages, less what no reader needs. Texts are copied into the arena (protobuf's have no NUL); the
 * elements of tensors stay in the file. Nothing here is checked beyond its form: a name may lead nowhere, an op may be
 * unknown. Uses: wire.h, base/arena.h. */
#ifndef SW_FORMATS_ONNX_PROTO_H
#define SW_FORMATS_ONNX_PROTO_H

#include "base/arena.h"
#include "formats/wire.h"
#include "slipway/tensor.h"

/* TensorProto.DataType */
sw_dtype onnx_dtype(int64_t data_type); /* SW_DTYPE_NONE when we have none */
int onnx_data_type(sw_dtype dtype);     /* every sw_dtype has one */
const char *onnx_data_type_name(int64_t data_type);

typedef struct onnx_tensor {
    const char *name; /* "" when none */
    int64_t data_type;
    sw_dims dims;
    const uint8_t *raw; /* raw_data; NULL: the elements are typed fields of `message` */
    size_t raw_size;
    bool external; /* the elements are in another file */
    const char *location;
    int64_t offset, length; /* of an external tensor; length -1: not said */
    sw_wire message;
} onnx_tensor;

typedef enum onnx_attr_type {
    ONNX_FLOAT = 1,
    ONNX_INT,
    ONNX_STRING,
    ONNX_TENSOR,
    ONNX_GRAPH,
    ONNX_FLOATS,
    ONNX_INTS,
    ONNX_STRINGS
} onnx_attr_type;

struct onnx_graph;
typedef struct onnx_attr {
    const char *name, *reference; /* reference: inside a function, the caller's attribute; "" when none */
    int64_t type;
    double f;
    int64_t i;
    const char *s;
    const onnx_tensor *t;
    const struct onnx_graph *g;
    int count; /* of the list that `type` names */
    const double *floats;
    const int64_t *ints;
    const char *const *strings;
} onnx_attr;

typedef struct onnx_node {
    const char *name, *op, *domain; /* domain "" is ai.onnx */
    int input_count, output_count, attr_count;
    const char *const *inputs, *const *outputs; /* "" is an absent optional */
    const onnx_attr *attrs;
} onnx_node;

typedef struct onnx_value {
    const char *name;
    int64_t data_type; /* 0: no tensor, or not said */
    bool tensor;       /* its type is a tensor's */
    int rank;          /* -1: not said */
    struct {
        int64_t value;     /* -1: not said */
        const char *param; /* a symbol's name, or "" */
    } dims[SW_MAX_RANK];
} onnx_value;

typedef struct onnx_graph {
    const char *name;
    int node_count, initializer_count, input_count, output_count, sparse_count;
    const onnx_node *nodes;
    const onnx_tensor *initializers;
    const onnx_value *inputs, *outputs;
} onnx_graph;

typedef struct onnx_opset {
    const char *domain;
    int64_t version;
} onnx_opset;

typedef struct onnx_function {
    const char *name, *domain;
    int input_count, output_count, node_count, attr_count, default_count, opset_count;
    const char *const *inputs, *const *outputs, *const *attrs; /* attrs: names without default */
    const onnx_attr *defaults;
    const onnx_node *nodes;
    const onnx_opset *opsets;
} onnx_function;

typedef struct onnx_entry {
    const char *key, *value;
} onnx_entry;

typedef struct onnx_model {
    int64_t ir_version, model_version;
    const char *producer, *producer_version;
    onnx_graph graph;
    int opset_count, metadata_count, function_count;
    const onnx_opset *opsets;
    const onnx_entry *metadata;
    const onnx_function *functions;
} onnx_model;

/* Reads the model in `bytes`, which must outlive it. `name` is for messages and is kept. */
sw_status onnx_parse(sw_arena *arena, const char *name, const void *bytes, size_t size, onnx_model *model);
/* One TensorProto, as in the .pb files of test data. */
sw_status onnx_parse_tensor(sw_arena *arena, const char *name, const void *bytes, size_t size, onnx_tensor *tensor);

#endif
