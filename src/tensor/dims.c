/* dims.c: lists of dims: products, NumPy's broadcasting, text. */
#include <stdio.h>

#include "base/status.h"
#include "slipway/tensor.h"

static sw_status check(sw_dims dims)
{
    if (dims.rank < 0 || dims.rank > SW_MAX_RANK)
        return sw_fail(SW_INVALID, "a tensor has %d dims, needs 0 to %d", dims.rank, SW_MAX_RANK);
    for (int i = 0; i < dims.rank; i++)
        if (dims.dim[i] < 0)
            return sw_fail(SW_INVALID, "dim %d is %lld, needs 0 or more", i, (long long)dims.dim[i]);
    return SW_OK;
}

/* A dim of 0 makes the product 0 whatever the others are; they must still be countable among themselves. */
sw_status sw_dims_count(sw_dims dims, int64_t *count)
{
    SW_TRY(check(dims));
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < dims.rank; i++) {
        empty |= dims.dim[i] == 0;
        if (dims.dim[i] && __builtin_mul_overflow(product, dims.dim[i], &product)) {
            char text[256];
            return sw_fail(SW_INVALID, "dims %s hold more elements than can be counted",
                           sw_dims_text(dims, text, sizeof text));
        }
    }
    *count = empty ? 0 : product;
    return SW_OK;
}

bool sw_dims_equal(sw_dims a, sw_dims b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i])
            return false;
    return true;
}

sw_status sw_dims_broadcast(sw_dims a, sw_dims b, sw_dims *result)
{
    SW_TRY(check(a));
    SW_TRY(check(b));
    sw_dims out = {.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 1; i <= out.rank; i++) {
        int64_t x = i <= a.rank ? a.dim[a.rank - i] : 1, y = i <= b.rank ? b.dim[b.rank - i] : 1;
        if (x != y && x != 1 && y != 1) {
            char left[256], right[256];
            return sw_fail(SW_SHAPE, "dims %s and %s do not broadcast: %lld != %lld",
                           sw_dims_text(a, left, sizeof left), sw_dims_text(b, right, sizeof right), (long long)x,
                           (long long)y);
        }
        out.dim[out.rank - i] = x == 1 ? y : x;
    }
    *result = out;
    return SW_OK;
}

char *sw_dims_text(sw_dims dims, char *text, size_t size)
{
    size_t used = 0;
    for (int i = -1; i <= dims.rank && used < size; i++) {
        int wrote = i < 0 ? snprintf(text, size, "[")
                    : i == dims.rank
                        ? snprintf(text + used, size - used, "]")
                        : snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)dims.dim[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return text;
}
