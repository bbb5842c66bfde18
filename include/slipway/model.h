/* slipway/model.h: a model as a file, and parameters as files.
 *
 * A model is stored as ONNX: the graph with its preprocessing, weights, names of inputs and outputs, and in its
 * metadata the class names. What Slipway trained and what came from elsewhere are opened by the same call. Weights are
 * read in place from the mapped file where they are aligned to their element; the file stays mapped until the last
 * tensor that looks into it is released, and must not be changed meanwhile (replace it, as sw_artifact_write does). */
#ifndef SLIPWAY_MODEL_H
#define SLIPWAY_MODEL_H

#include "slipway/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_artifact sw_artifact;

/* Opens the model in the file `path`, whatever its name; its bytes tell the format (.onnx now). On failure one line
 * says what is wrong: SW_NOT_FOUND, SW_CORRUPT (not what it claims to be), SW_UNSUPPORTED with every op that is not
 * known at once: "model.onnx: 2 ops are not supported: Foo-17 (node 'x/y' and 3 more), Bar-13 (node 'z')". */
SW_API sw_status sw_artifact_open(sw_context *ctx, const char *path, sw_artifact **artifact);
/* The same from memory, which must live and stay as it is until every tensor that looks into it is released: when that
 * cannot be promised, `copy`. `name` is for messages. */
SW_API sw_status sw_artifact_open_bytes(sw_context *ctx, const char *name, const void *bytes, size_t size, bool copy,
                                        sw_artifact **artifact);
SW_API void sw_artifact_close(sw_artifact *artifact); /* NULL is allowed; the graph goes too unless it was taken */

/* The model: a sleeping graph with named inputs and outputs and with its weights as constants. Borrowed. */
SW_API sw_graph *sw_artifact_graph(const sw_artifact *artifact);
/* Hands the graph over: released with sw_graph_free, also after sw_artifact_close. Afterwards sw_artifact_graph gives
 * NULL. */
SW_API sw_graph *sw_artifact_take_graph(sw_artifact *artifact);
SW_API const char *sw_artifact_format(const sw_artifact *artifact);   /* "onnx" */
SW_API const char *sw_artifact_producer(const sw_artifact *artifact); /* "slipway 0.1.0", "pytorch 2.3"; "" */
/* Names of the classes that the (first) output scores, in order. */
SW_API int sw_artifact_class_count(const sw_artifact *artifact);
SW_API const char *sw_artifact_class(const sw_artifact *artifact, int index); /* "" beyond the end */
/* Other metadata: NULL when absent. */
SW_API const char *sw_artifact_metadata(const sw_artifact *artifact, const char *key);
SW_API int sw_artifact_metadata_count(const sw_artifact *artifact);
SW_API const char *sw_artifact_metadata_at(const sw_artifact *artifact, int index, const char **key);

/* What goes beside the graph. */
typedef struct sw_artifact_info {
    size_t size;                /* sizeof(sw_artifact_info) */
    const char *const *classes; /* names of the output's classes, in order */
    int class_count;
    const char *const *keys; /* further metadata: keys[i] = values[i] */
    const char *const *values;
    int metadata_count;
} sw_artifact_info;

/* Writes `g` (sleeping, with named outputs; states become weights with their present contents, training is false) as
 * ONNX to `path`, atomically. `info` may be NULL. SW_UNSUPPORTED names the rows that have no ONNX form. */
SW_API sw_status sw_artifact_write(sw_graph *g, const sw_artifact_info *info, const char *path);

/* ---- parameters without a graph ---- */
typedef sw_npz_entry sw_named_tensor; /* released with sw_npz_free */

/* safetensors: read in place from the mapped file (read-only memory), written atomically. 4-bit types and strings have
 * no form there: SW_UNSUPPORTED. `keys`/`values`: the file's metadata, may be NULL with count 0. */
SW_API sw_status sw_safetensors_read(sw_context *ctx, const char *path, sw_named_tensor **tensors, int *count);
SW_API sw_status sw_safetensors_write(sw_context *ctx, const sw_named_tensor *tensors, int count,
                                      const char *const *keys, const char *const *values, int metadata_count,
                                      const char *path);

/* JSON for people and for small nets: {"w": {"dtype": "f32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}}, row-major;
 * NaN and infinities are "nan", "inf", "-inf"; integers beyond 2^63 - 1 are texts. Nested lists alone are read too, as
 * f32 (or i64 when all are integers). At most 16 MiB and 1,000,000 numbers. */
SW_API sw_status sw_json_parameters_read(sw_context *ctx, const char *path, sw_named_tensor **tensors, int *count);
SW_API sw_status sw_json_parameters_write(sw_context *ctx, const sw_named_tensor *tensors, int count, const char *path);

/* Writes the states of `g` (all, or the trainable ones) into `path`, and reads them back by name: by the ending,
 * .safetensors, .npz or .json. Reading fails on a missing or extra name, another dtype or other dims, before any state
 * has changed. */
SW_API sw_status sw_states_write(sw_graph *g, bool trainable_only, const char *path);
SW_API sw_status sw_states_read(sw_graph *g, bool trainable_only, const char *path);

#ifdef __cplusplus
}
#endif
#endif
