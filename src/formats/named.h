/* formats/named.h: a growing list of named tensors, which the readers of parameters hand out. Uses: base/, tensor/. */
#ifndef SW_FORMATS_NAMED_H
#define SW_FORMATS_NAMED_H

#include "base/vec.h"
#include "slipway/model.h"

struct sw_named_list {
    sw_vec(sw_named_tensor) items;
};

/* Copies the name and takes the tensor over, also on failure. */
sw_status sw_named_add(sw_context *ctx, struct sw_named_list *list, const char *name, sw_tensor *tensor);
/* With SW_OK the list becomes *tensors and *count; otherwise it is released. Returns `status`, or why that failed. */
sw_status sw_named_hand_over(sw_context *ctx, struct sw_named_list *list, sw_status status, sw_named_tensor **tensors,
                             int *count);

#endif
