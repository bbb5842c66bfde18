/* mapping.c: one reference for the opener, one for each tensor. */
#include "formats/mapping.h"

#include <stdatomic.h>
#include <string.h>

#include "tensor/dtype.h"

struct sw_mapping {
    atomic_int references;
    sw_context *ctx;
    sw_map_file file;
    bool mapped, copying;
};

static sw_mapping *mapping_new(sw_context *ctx, sw_map_file file)
{
    sw_mapping *mapping = sw_alloc_zero(ctx, sizeof *mapping);
    if (!mapping)
        return NULL;
    atomic_init(&mapping->references, 1);
    mapping->ctx = ctx;
    mapping->file = file;
    return mapping;
}

sw_status sw_mapping_open(sw_context *ctx, const char *path, sw_mapping **mapping)
{
    sw_map_file file;
    SW_TRY(sw_file_map(&file, path));
    *mapping = mapping_new(ctx, file);
    if (!*mapping) {
        sw_file_unmap(&file);
        return sw_alloc_status();
    }
    (*mapping)->mapped = true;
    return SW_OK;
}

sw_mapping *sw_mapping_borrow(sw_context *ctx, const void *bytes, size_t size)
{
    return mapping_new(ctx, (sw_map_file){bytes, size});
}

sw_mapping *sw_mapping_copying(sw_context *ctx, const void *bytes, size_t size)
{
    sw_mapping *mapping = mapping_new(ctx, (sw_map_file){bytes, size});
    if (mapping)
        mapping->copying = true;
    return mapping;
}

const uint8_t *sw_mapping_bytes(const sw_mapping *mapping, size_t *size)
{
    *size = mapping->file.size;
    return mapping->file.data;
}

sw_context *sw_mapping_context(const sw_mapping *mapping) { return mapping->ctx; }

void sw_mapping_release(sw_mapping *mapping)
{
    if (!mapping || atomic_fetch_sub_explicit(&mapping->references, 1, memory_order_acq_rel) != 1)
        return;
    if (mapping->mapped)
        sw_file_unmap(&mapping->file);
    sw_free(mapping->ctx, mapping);
}

static void release(void *user, void *data)
{
    (void)data;
    sw_mapping_release(user);
}

static bool usable_in_place(const sw_mapping *mapping, sw_dtype dtype, const uint8_t *bytes, size_t size)
{
    size_t element = sw_dtype_bytes(dtype);
    if (mapping->copying || (element > 1 && (uintptr_t)bytes % element))
        return false;
    for (size_t i = 0; dtype == SW_BOOL && i < size; i++)
        if (bytes[i] > 1)
            return false;
    return true;
}

sw_tensor *sw_mapping_tensor(sw_mapping *mapping, sw_dtype dtype, sw_dims dims, const void *bytes)
{
    int64_t count;
    size_t size;
    if (sw_dims_count(dims, &count) != SW_OK)
        return NULL;
    if (!sw_dtype_size(dtype, count, &size)) {
        sw_fail(SW_INVALID, "a tensor of %lld elements is larger than memory can be", (long long)count);
        return NULL;
    }
    if (usable_in_place(mapping, dtype, bytes, size)) {
        sw_tensor *tensor = sw_tensor_wrap(mapping->ctx, dtype, dims, (void *)bytes, release, mapping);
        if (tensor)
            atomic_fetch_add_explicit(&mapping->references, 1, memory_order_relaxed);
        return tensor;
    }
    sw_tensor *tensor = sw_tensor_from(mapping->ctx, dtype, dims, bytes);
    uint8_t *own = tensor ? sw_tensor_data(tensor) : NULL;
    for (size_t i = 0; tensor && dtype == SW_BOOL && i < size; i++)
        own[i] = own[i] != 0;
    return tensor;
}
