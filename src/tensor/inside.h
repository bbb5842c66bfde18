/* tensor/inside.h: what a tensor is made of; for the files of tensor/ only. Uses: slipway/tensor.h. */
#ifndef SW_TENSOR_INSIDE_H
#define SW_TENSOR_INSIDE_H

#include <stdatomic.h>

#include "slipway/tensor.h"

struct sw_storage {
    atomic_int references;
    sw_context *ctx;
    void *data;
    int64_t strings; /* how many `char *` are to be freed; 0 for other dtypes and for wrapped memory */
    void (*release)(void *user, void *data);
    void *user;
};

struct sw_tensor {
    atomic_int references;
    sw_context *ctx;
    struct sw_storage *storage; /* shared; one reference is ours */
    void *data;                 /* of element [0, 0, …] */
    sw_dtype dtype;
    bool contiguous;
    int rank;
    int64_t count;
    int64_t dims[SW_MAX_RANK], strides[SW_MAX_RANK];
};

/* Where the row-major `index`-th element stands, in elements from data. */
int64_t sw_tensor_offset(const sw_tensor *tensor, int64_t index);

#endif
