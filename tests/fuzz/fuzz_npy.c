/* Whatever the bytes are, the .npy reader answers; what it accepts can be written and read again, equal. */
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "tensor/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct buffer {
    sw_context *ctx;
    char *bytes;
    size_t size;
};

static sw_status append(void *user, const void *bytes, size_t size)
{
    struct buffer *buffer = user;
    char *grown = realloc(buffer->bytes, buffer->size + size + 1);
    if (!grown)
        return SW_NO_MEMORY;
    if (size)
        memcpy(grown + buffer->size, bytes, size);
    buffer->bytes = grown;
    buffer->size += size;
    return SW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_context_options options = {.size = sizeof options, .budget_bytes = 256 << 20, .threads = 1};
    sw_context *ctx = sw_context_create(&options);
    sw_tensor *tensor, *again;
    if (sw_npy_read_bytes(ctx, "fuzz", data, size, &tensor) == SW_OK) {
        struct buffer buffer = {.ctx = ctx};
        if (sw_npy_write_to(tensor, append, &buffer) != SW_OK ||
            sw_npy_read_bytes(ctx, "again", buffer.bytes, buffer.size, &again) != SW_OK)
            abort();
        if (!sw_dims_equal(sw_tensor_dims(tensor), sw_tensor_dims(again)) ||
            sw_tensor_dtype(tensor) != sw_tensor_dtype(again))
            abort();
        if (sw_tensor_dtype(tensor) != SW_STRING && sw_tensor_bytes(tensor) &&
            memcmp(sw_tensor_data(tensor), sw_tensor_data(again), sw_tensor_bytes(tensor)) != 0)
            abort();
        sw_tensor_release(tensor);
        sw_tensor_release(again);
        free(buffer.bytes);
    }
    if (sw_context_bytes(ctx) != 0)
        abort();
    sw_context_free(ctx);
    return 0;
}
