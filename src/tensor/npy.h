/* tensor/npy.h: writing the .npy form to anywhere, for archives and network replies. Uses: slipway/tensor.h. */
#ifndef SW_TENSOR_NPY_H
#define SW_TENSOR_NPY_H

#include "slipway/tensor.h"

typedef sw_status (*sw_npy_sink)(void *user, const void *bytes, size_t size);
/* Header and elements in order, in pieces; the sink's first failure ends it. Equal tensors give equal bytes. */
sw_status sw_npy_write_to(const sw_tensor *tensor, sw_npy_sink sink, void *user);

#endif
