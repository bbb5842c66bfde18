/* tensor.c: handles, storage and views.
 *
 * A handle says how to look; storage holds the bytes. Both count their references with atomics, so a tensor may be
 * released by any thread. A fresh tensor's storage and its bytes are one allocation. Strings are `char *` that the
 * storage frees; the empty string is one static byte that nobody frees. */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "tensor/dtype.h"
#include "tensor/inside.h"
#include "tensor/view.h"

static char empty_string[1];

static void storage_release(struct sw_storage *storage)
{
    if (atomic_fetch_sub_explicit(&storage->references, 1, memory_order_acq_rel) != 1)
        return;
    char **strings = storage->data;
    for (int64_t i = 0; i < storage->strings; i++)
        if (strings[i] != empty_string)
            sw_free(storage->ctx, strings[i]);
    if (storage->release)
        storage->release(storage->user, storage->data);
    sw_free(storage->ctx, storage);
}

static void set_dims(sw_tensor *tensor, sw_dims dims, int64_t count)
{
    tensor->rank = dims.rank;
    tensor->count = count;
    int64_t stride = 1;
    for (int i = dims.rank - 1; i >= 0; i--) {
        tensor->dims[i] = dims.dim[i];
        tensor->strides[i] = stride;
        stride *= dims.dim[i] > 0 ? dims.dim[i] : 1;
    }
    tensor->contiguous = true;
}

/* A handle on `storage`, whose reference it takes over; on failure that is given back. */
static sw_tensor *handle(sw_context *ctx, struct sw_storage *storage, sw_dtype dtype, sw_dims dims, int64_t count)
{
    sw_tensor *tensor = sw_alloc_zero(ctx, sizeof *tensor);
    if (!tensor) {
        storage_release(storage);
        return NULL;
    }
    atomic_init(&tensor->references, 1);
    tensor->ctx = ctx;
    tensor->storage = storage;
    tensor->data = storage->data;
    tensor->dtype = dtype;
    set_dims(tensor, dims, count);
    return tensor;
}

static bool measure(sw_dtype dtype, sw_dims dims, int64_t *count, size_t *bytes)
{
    if (dtype <= SW_DTYPE_NONE || dtype >= SW_DTYPE_COUNT) {
        sw_fail(SW_INVALID, "a tensor of dtype %d: there is none", (int)dtype);
        return false;
    }
    if (sw_dims_count(dims, count) != SW_OK)
        return false;
    if (!sw_dtype_size(dtype, *count, bytes)) {
        char text[256];
        sw_fail(SW_INVALID, "a tensor %s%s is larger than memory can be", sw_dtype_name(dtype),
                sw_dims_text(dims, text, sizeof text));
        return false;
    }
    return true;
}

sw_tensor *sw_tensor_new(sw_context *ctx, sw_dtype dtype, sw_dims dims)
{
    int64_t count;
    size_t bytes, total, head = sw_align_up(sizeof(struct sw_storage), SW_TENSOR_ALIGNMENT);
    if (!measure(dtype, dims, &count, &bytes))
        return NULL;
    if (!sw_add_size(bytes, head, &total)) {
        sw_fail(SW_INVALID, "a tensor of %zu bytes is larger than memory can be", bytes);
        return NULL;
    }
    struct sw_storage *storage = sw_alloc_aligned(ctx, total, SW_TENSOR_ALIGNMENT);
    if (!storage)
        return NULL;
    *storage = (struct sw_storage){.ctx = ctx, .data = (char *)storage + head};
    atomic_init(&storage->references, 1);
    if (dtype == SW_STRING) {
        storage->strings = count;
        for (int64_t i = 0; i < count; i++)
            ((char **)storage->data)[i] = empty_string;
    }
    return handle(ctx, storage, dtype, dims, count);
}

sw_tensor *sw_tensor_zeros(sw_context *ctx, sw_dtype dtype, sw_dims dims)
{
    sw_tensor *tensor = sw_tensor_new(ctx, dtype, dims);
    if (tensor && dtype != SW_STRING)
        memset(tensor->data, 0, sw_tensor_bytes(tensor));
    return tensor;
}

sw_tensor *sw_tensor_from(sw_context *ctx, sw_dtype dtype, sw_dims dims, const void *data)
{
    sw_tensor *tensor = sw_tensor_new(ctx, dtype, dims);
    if (!tensor)
        return NULL;
    if (dtype != SW_STRING) {
        size_t bytes = sw_tensor_bytes(tensor);
        if (bytes)
            memcpy(tensor->data, data, bytes);
        return tensor;
    }
    for (int64_t i = 0; i < tensor->count; i++) {
        if (sw_tensor_set_string(tensor, i, ((const char *const *)data)[i]) != SW_OK) {
            sw_tensor_release(tensor);
            return NULL;
        }
    }
    return tensor;
}

sw_tensor *sw_tensor_wrap(sw_context *ctx, sw_dtype dtype, sw_dims dims, void *data,
                          void (*release)(void *user, void *data), void *user)
{
    int64_t count;
    size_t bytes, alignment = sw_dtype_bytes(dtype);
    if (!measure(dtype, dims, &count, &bytes))
        return NULL;
    if (alignment && (uintptr_t)data % alignment) {
        sw_fail(SW_INVALID, "memory for %s elements is not aligned to %zu bytes", sw_dtype_name(dtype), alignment);
        return NULL;
    }
    struct sw_storage *storage = sw_alloc(ctx, sizeof *storage);
    if (!storage)
        return NULL;
    *storage = (struct sw_storage){.ctx = ctx, .data = data};
    atomic_init(&storage->references, 1);
    sw_tensor *tensor = handle(ctx, storage, dtype, dims, count);
    if (tensor) { /* only now: on failure the memory stays the caller's */
        storage->release = release;
        storage->user = user;
    }
    return tensor;
}

sw_tensor *sw_tensor_retain(sw_tensor *tensor)
{
    if (tensor)
        atomic_fetch_add_explicit(&tensor->references, 1, memory_order_relaxed);
    return tensor;
}

void sw_tensor_release(sw_tensor *tensor)
{
    if (!tensor || atomic_fetch_sub_explicit(&tensor->references, 1, memory_order_acq_rel) != 1)
        return;
    storage_release(tensor->storage);
    sw_free(tensor->ctx, tensor);
}

sw_dtype sw_tensor_dtype(const sw_tensor *tensor) { return tensor->dtype; }

int sw_tensor_rank(const sw_tensor *tensor) { return tensor->rank; }

int64_t sw_tensor_dim(const sw_tensor *tensor, int axis)
{
    int at = axis < 0 ? axis + tensor->rank : axis;
    return at >= 0 && at < tensor->rank ? tensor->dims[at] : 1;
}

sw_dims sw_tensor_dims(const sw_tensor *tensor)
{
    sw_dims dims = {.rank = tensor->rank};
    memcpy(dims.dim, tensor->dims, sizeof dims.dim);
    return dims;
}

const int64_t *sw_tensor_strides(const sw_tensor *tensor) { return tensor->strides; }

int64_t sw_tensor_count(const sw_tensor *tensor) { return tensor->count; }

size_t sw_tensor_bytes(const sw_tensor *tensor)
{
    size_t bytes = 0;
    sw_dtype_size(tensor->dtype, tensor->count, &bytes);
    return bytes;
}

void *sw_tensor_data(const sw_tensor *tensor) { return tensor->data; }

bool sw_tensor_is_contiguous(const sw_tensor *tensor) { return tensor->contiguous; }

sw_context *sw_tensor_context(const sw_tensor *tensor) { return tensor->ctx; }

/* ---- views ---- */

/* Another handle on the same storage and the same elements; dims and strides are to be changed by the caller. */
static sw_tensor *look_again(sw_tensor *tensor)
{
    sw_tensor *view = sw_alloc(tensor->ctx, sizeof *view);
    if (!view)
        return NULL;
    /* All but the count, which other threads may be changing. */
    memcpy((char *)view + offsetof(sw_tensor, ctx), (char *)tensor + offsetof(sw_tensor, ctx),
           sizeof *view - offsetof(sw_tensor, ctx));
    atomic_init(&view->references, 1);
    atomic_fetch_add_explicit(&view->storage->references, 1, memory_order_relaxed);
    return view;
}

static sw_tensor *settle(sw_tensor *view)
{
    sw_view plain = sw_view_of(view);
    view->contiguous = sw_view_is_contiguous(&plain);
    return view;
}

static sw_status solve_minus_one(const sw_tensor *tensor, sw_dims *dims)
{
    char from[256], to[256];
    sw_dims known = *dims;
    int open = -1;
    for (int i = 0; i < dims->rank && i < SW_MAX_RANK; i++) {
        if (dims->dim[i] != -1)
            continue;
        if (open >= 0)
            return sw_fail(SW_INVALID, "reshape: two dims are -1, one may be");
        open = i;
        known.dim[i] = 1;
    }
    int64_t count;
    SW_TRY(sw_dims_count(known, &count));
    if (open >= 0 && count > 0 && tensor->count % count == 0)
        dims->dim[open] = tensor->count / count;
    else if (open >= 0 || count != tensor->count)
        return sw_fail(SW_SHAPE, "reshape: %lld elements of dims %s do not fit dims %s", (long long)tensor->count,
                       sw_dims_text(sw_tensor_dims(tensor), from, sizeof from), sw_dims_text(*dims, to, sizeof to));
    return SW_OK;
}

sw_tensor *sw_tensor_reshape(sw_tensor *tensor, sw_dims dims)
{
    if (solve_minus_one(tensor, &dims) != SW_OK)
        return NULL;
    sw_tensor *flat = sw_tensor_contiguous(tensor);
    if (!flat)
        return NULL;
    sw_tensor *view = look_again(flat);
    sw_tensor_release(flat);
    if (view)
        set_dims(view, dims, tensor->count);
    return view;
}

sw_tensor *sw_tensor_transpose(sw_tensor *tensor, const int *axes)
{
    unsigned seen = 0;
    for (int i = 0; i < tensor->rank; i++) {
        int axis = axes ? axes[i] : tensor->rank - 1 - i;
        if (axis < 0 || axis >= tensor->rank || (seen >> axis & 1)) {
            sw_fail(SW_INVALID, "transpose: axis %d at place %d; needs each of 0 to %d once", axis, i,
                    tensor->rank - 1);
            return NULL;
        }
        seen |= 1u << axis;
    }
    sw_tensor *view = look_again(tensor);
    if (!view)
        return NULL;
    for (int i = 0; i < tensor->rank; i++) {
        int axis = axes ? axes[i] : tensor->rank - 1 - i;
        view->dims[i] = tensor->dims[axis];
        view->strides[i] = tensor->strides[axis];
    }
    return settle(view);
}

/* Python's rule: from the end when negative, then cut to what is there. */
static int64_t place(int64_t at, int64_t dim, int64_t low, int64_t high)
{
    if (at < 0)
        at = at < -dim ? low : at + dim;
    return at < low ? low : at > high ? high : at;
}

sw_tensor *sw_tensor_slice(sw_tensor *tensor, int axis, int64_t start, int64_t stop, int64_t step)
{
    int at = axis < 0 ? axis + tensor->rank : axis;
    if (at < 0 || at >= tensor->rank) {
        sw_fail(SW_INVALID, "slice: axis %d of a tensor with %d dims", axis, tensor->rank);
        return NULL;
    }
    if (step == 0 || step == INT64_MIN) {
        sw_fail(SW_INVALID, "slice: step %lld", (long long)step);
        return NULL;
    }
    if (sw_dtype_bits(tensor->dtype) == 4) {
        sw_fail(SW_INVALID, "slice: elements of 4 bits have no address of their own");
        return NULL;
    }
    int64_t dim = tensor->dims[at], low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    int64_t first = place(start, dim, low, high), last = place(stop, dim, low, high);
    int64_t span = step > 0 ? last - first : first - last, stride = step > 0 ? step : -step;
    int64_t count = span > 0 ? (span - 1) / stride + 1 : 0;
    sw_tensor *view = look_again(tensor);
    if (!view)
        return NULL;
    view->dims[at] = count;
    if (count > 1) /* else the stride is never used, and step * stride might overflow */
        view->strides[at] = tensor->strides[at] * step;
    if (count > 0)
        view->data =
            (char *)tensor->data + (ptrdiff_t)(first * tensor->strides[at]) * (ptrdiff_t)sw_dtype_bytes(tensor->dtype);
    sw_dims_count(sw_tensor_dims(view), &view->count);
    return settle(view);
}

sw_tensor *sw_tensor_broadcast(sw_tensor *tensor, sw_dims dims)
{
    sw_dims own = sw_tensor_dims(tensor), result;
    int64_t count;
    if (sw_dims_broadcast(own, dims, &result) != SW_OK || sw_dims_count(result, &count) != SW_OK)
        return NULL;
    if (!sw_dims_equal(result, dims)) {
        char from[256], to[256];
        sw_fail(SW_SHAPE, "dims %s do not broadcast to %s", sw_dims_text(own, from, sizeof from),
                sw_dims_text(dims, to, sizeof to));
        return NULL;
    }
    sw_tensor *view = look_again(tensor);
    if (!view)
        return NULL;
    sw_view plain = sw_view_of(tensor);
    view->rank = dims.rank;
    view->count = count;
    sw_view_broadcast_strides(&plain, dims.rank, dims.dim, view->strides);
    memcpy(view->dims, dims.dim, sizeof view->dims);
    return settle(view);
}

sw_tensor *sw_tensor_contiguous(sw_tensor *tensor)
{
    return tensor->contiguous ? sw_tensor_retain(tensor) : sw_tensor_cast(tensor, tensor->dtype);
}

/* ---- strings ---- */

static char **string_at(const sw_tensor *tensor, int64_t index)
{
    return (char **)tensor->data + sw_tensor_offset(tensor, index);
}

const char *sw_tensor_get_string(const sw_tensor *tensor, int64_t index)
{
    if (tensor->dtype != SW_STRING || index < 0 || index >= tensor->count)
        return "";
    return *string_at(tensor, index);
}

sw_status sw_tensor_set_string(sw_tensor *tensor, int64_t index, const char *value)
{
    if (tensor->dtype != SW_STRING || !tensor->storage->strings)
        return sw_fail(SW_INVALID, "text is written into a tensor of %s", sw_dtype_name(tensor->dtype));
    if (index < 0 || index >= tensor->count)
        return sw_fail(SW_INVALID, "element %lld of a tensor that has %lld", (long long)index,
                       (long long)tensor->count);
    char *copy = *value ? sw_strdup(tensor->ctx, value) : empty_string, **at = string_at(tensor, index);
    if (!copy)
        return sw_alloc_status();
    if (*at != empty_string)
        sw_free(tensor->ctx, *at);
    *at = copy;
    return SW_OK;
}
