/* formats/onnx.h: ONNX models in and out.
 *
 * Reading has two halves: onnx_parse.c makes plain structs of the bytes (onnx_proto.h), onnx_read.c makes a graph of
 * the structs through tables of adapters (onnx_adapt.h), one per op and change of opset; quirks of opsets live there
 * and never in op rows. Writing goes through the same tables the other way. The room formats/ uses: base, tensor,
 * graph, ops. */
#ifndef SW_FORMATS_ONNX_H
#define SW_FORMATS_ONNX_H

#include "base/text.h"
#include "slipway/model.h"

/* Appends the ONNX bytes of `g` to `bytes`. `info` may be NULL. Errors as sw_artifact_write. */
sw_status sw_onnx_write(sw_graph *g, const sw_artifact_info *info, sw_text *bytes);
/* The same into a sink, in pieces: weights are not copied. */
sw_status sw_onnx_write_to(sw_graph *g, const sw_artifact_info *info,
                           sw_status (*sink)(void *user, const void *bytes, size_t size), void *user);

/* Metadata that is ours: class names as a JSON list. */
#define ONNX_CLASSES_KEY "slipway.classes"

#endif
