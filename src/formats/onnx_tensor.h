/* formats/onnx_tensor.h: TensorProto's elements as a tensor. Uses: onnx_proto.h, mapping.h. */
#ifndef SW_FORMATS_ONNX_TENSOR_H
#define SW_FORMATS_ONNX_TENSOR_H

#include "formats/mapping.h"
#include "formats/onnx_proto.h"

/* In place where the bytes lie raw and aligned in the mapping. External tensors are read from `folder` (NULL: refused;
 * the location must stay inside it). Messages name the tensor. */
sw_status onnx_tensor_read(sw_mapping *mapping, const char *folder, const onnx_tensor *from, sw_tensor **tensor);

#endif
