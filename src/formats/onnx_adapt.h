/* formats/onnx_adapt.h: between ONNX ops and rows of the op table.
 *
 * One adapter stands for one op from one opset version to another, and for the row that means the same. Most are a
 * line: the row's name and its attributes' other names. Where an opset has a quirk (an attribute that became an input,
 * a default that changed) the line has a function, and the quirk stays in it: rows know nothing of opsets. The tables
 * are the onnx_adapt_*.c files, one per family; each serves reading and writing. Uses: onnx_proto.h, mapping.h, graph/.
 */
#ifndef SW_FORMATS_ONNX_ADAPT_H
#define SW_FORMATS_ONNX_ADAPT_H

#include "base/vec.h"
#include "formats/mapping.h"
#include "formats/onnx_proto.h"
#include "graph/graph.h"
#include "slipway/model.h"
#include "slipway/ops.h"

enum { ONNX_MAX_ATTRS = 10, ONNX_MAX_PORTS = 64 };

typedef struct onnx_import onnx_import;
typedef struct onnx_export onnx_export;

/* An attribute under its two names. Reading takes it when it is given; when not and the two sides' defaults differ,
 * `differs` makes `i`, `f` or `s` the value. `row` NULL: accepted and ignored when reading, not written. */
typedef struct onnx_rename {
    const char *onnx, *row;
    sw_attr_kind kind; /* of the row's attribute; SW_ATTR_DTYPE is a DataType on ONNX's side */
    bool differs;
    int64_t i;
    double f;
    const char *s;
} onnx_rename;

typedef struct onnx_adapter {
    const char *op;
    int since, until; /* opset versions; until 0: to the newest known */
    const char *row;  /* NULL: only `read`, nothing is written from it */
    onnx_rename attrs[ONNX_MAX_ATTRS];
    /* Fills outputs[] (node->output_count of them). inputs: SW_NONE where absent. NULL: the row with the renamed
     * attributes. */
    sw_status (*read)(onnx_import *im, const onnx_node *node, sw_value *const *inputs, sw_value **outputs);
    /* NULL: the op with the renamed attributes. */
    sw_status (*write)(onnx_export *ex, const sw_node *node);
    int (*needs)(const sw_node *node); /* the least opset version that can say this node; NULL: any that is written */
    bool read_only;                    /* not the form in which the row is written */
    const char *domain;                /* NULL: ai.onnx */
} onnx_adapter;

typedef struct onnx_adapters {
    const onnx_adapter *items;
    int count;
} onnx_adapters;

/* One per family; onnx_table.c lists them. */
extern const onnx_adapters onnx_adapt_elementwise, onnx_adapt_nn, onnx_adapt_reduce, onnx_adapt_shape, onnx_adapt_index,
    onnx_adapt_image, onnx_adapt_composed;

/* The adapter for an op at an opset version, or NULL. */
const onnx_adapter *onnx_adapter_for_op(const char *domain, const char *op, int64_t version);
/* The adapter that writes a row at an opset version, or NULL. */
const onnx_adapter *onnx_adapter_for_row(const char *row, int64_t version);

/* ---- for reading ---- */
sw_graph *onnx_graph_of(onnx_import *im);
sw_mapping *onnx_mapping_of(onnx_import *im);
const char *onnx_folder_of(onnx_import *im);
/* The node's attribute, references to a function's arguments resolved; NULL when not given. */
const onnx_attr *onnx_find_attr(onnx_import *im, const onnx_node *node, const char *name);
int64_t onnx_int(onnx_import *im, const onnx_node *node, const char *name, int64_t otherwise);
double onnx_float(onnx_import *im, const onnx_node *node, const char *name, double otherwise);
const char *onnx_string(onnx_import *im, const onnx_node *node, const char *name, const char *otherwise);
/* Ints of a list attribute, or of a constant input; at most `max`. *count is -1 when neither is given. */
sw_status onnx_ints(onnx_import *im, const onnx_node *node, const char *name, int64_t *ints, int max, int *count);
sw_status onnx_input_ints(onnx_import *im, const onnx_node *node, sw_value *input, const char *what, int64_t *ints,
                          int max, int *count);
/* Status of the graph after builders, NULL values included. */
sw_status onnx_done(onnx_import *im);
/* SW_UNSUPPORTED or another status with "node 'x' (Op-13): <format>". */
sw_status onnx_fail(onnx_import *im, const onnx_node *node, sw_status status, const char *format, ...) SW_PRINTF(4, 5);
/* The straight way, for adapters that only prepare it: the row with attributes renamed, plus `extra` ones. */
sw_status onnx_read_row(onnx_import *im, const onnx_node *node, const onnx_adapter *adapter, sw_value *const *inputs,
                        int inputs_count, const sw_attr *extra, int extra_count, sw_value **outputs);
const onnx_adapter *onnx_current(onnx_import *im); /* the adapter whose `read` runs */

/* ---- for writing ---- */
int onnx_opset_of(const onnx_export *ex);
/* Names of values in the file. Temporaries are fresh; constants become initialisers. They live as long as `ex`. */
const char *onnx_name(onnx_export *ex, const sw_value *value); /* "" for SW_NONE */
const char *onnx_temporary(onnx_export *ex);
const char *onnx_constant_ints(onnx_export *ex, const int64_t *ints, int count);
const char *onnx_constant_scalar(onnx_export *ex, sw_dtype dtype, double value);
/* One node; inputs and outputs in order between begin and end. */
void onnx_begin(onnx_export *ex, const char *op, const sw_node *node);
void onnx_in(onnx_export *ex, const char *name);
void onnx_out(onnx_export *ex, const char *name);
void onnx_put_int(onnx_export *ex, const char *name, int64_t value);
void onnx_put_float(onnx_export *ex, const char *name, double value);
void onnx_put_string(onnx_export *ex, const char *name, const char *value);
void onnx_put_ints(onnx_export *ex, const char *name, const int64_t *values, int count);
void onnx_put_floats(onnx_export *ex, const char *name, const double *values, int count);
void onnx_put_tensor(onnx_export *ex, const char *name, sw_tensor *value);
sw_status onnx_end(onnx_export *ex);
/* All inputs and outputs of `node`, and attributes as the adapter renames them. */
void onnx_put_ports(onnx_export *ex, const sw_node *node);
void onnx_put_attrs(onnx_export *ex, const sw_node *node, const onnx_adapter *adapter);
sw_status onnx_write_row(onnx_export *ex, const sw_node *node, const char *op);
const onnx_adapter *onnx_writing(const onnx_export *ex); /* the adapter whose `write` runs */

#define ONNX_ADAPTERS(name, table) const onnx_adapters name = {table, sizeof(table) / sizeof *(table)}

#endif
