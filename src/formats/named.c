/* named.c: see named.h. An empty list is handed over as an allocated nothing, so that NULL means failure. */
#include "formats/named.h"

sw_status sw_named_add(sw_context *ctx, struct sw_named_list *list, const char *name, sw_tensor *tensor)
{
    sw_named_tensor item = {sw_strdup(ctx, name), tensor};
    if (item.name && sw_vec_push(ctx, &list->items, item) == SW_OK)
        return SW_OK;
    sw_free(ctx, item.name);
    sw_tensor_release(tensor);
    return sw_alloc_status();
}

sw_status sw_named_hand_over(sw_context *ctx, struct sw_named_list *list, sw_status status, sw_named_tensor **tensors,
                             int *count)
{
    if (status == SW_OK && !list->items.items)
        status = sw_vec_reserve(ctx, &list->items, 1);
    if (status != SW_OK) {
        sw_npz_free(ctx, list->items.items, (int)list->items.count);
        return status;
    }
    *tensors = list->items.items;
    *count = (int)list->items.count;
    return SW_OK;
}
