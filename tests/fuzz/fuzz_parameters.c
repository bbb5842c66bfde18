/* Whatever the bytes are, the readers of safetensors and JSON parameters answer and give everything back. Both read
 * files, so the bytes are put into one in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/context.h"
#include "slipway/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_of(const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_context_options options = {.size = sizeof options, .budget_bytes = 64 << 20, .threads = 1};
    sw_context *ctx = sw_context_create(&options);
    sw_named_tensor *tensors;
    int count;
    char path[64];
    int fd = file_of(data, size, path);
    if (sw_safetensors_read(ctx, path, &tensors, &count) == SW_OK)
        sw_npz_free(ctx, tensors, count);
    if (sw_json_parameters_read(ctx, path, &tensors, &count) == SW_OK)
        sw_npz_free(ctx, tensors, count);
    close(fd);
    if (sw_context_bytes(ctx) != 0)
        abort();
    sw_context_free(ctx);
    return 0;
}
