/* formats/onnx_inside.h: the reader's entry for model.c. Uses: onnx_proto.h, mapping.h, graph/. */
#ifndef SW_FORMATS_ONNX_INSIDE_H
#define SW_FORMATS_ONNX_INSIDE_H

#include "formats/mapping.h"
#include "formats/onnx_proto.h"
#include "slipway/graph.h"

/* A sleeping graph of the parsed model, whose bytes are the mapping's. `folder`: where external tensors lie, or NULL.
 * `name` is for messages. */
sw_status onnx_read_model(sw_mapping *mapping, const char *name, const char *folder, const onnx_model *model,
                          sw_graph **g);

#endif
