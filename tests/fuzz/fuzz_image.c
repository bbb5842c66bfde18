/* A picture from outside is pixels or an answer, in every number of channels, and leaves nothing behind. */
#include <stdlib.h>

#include "base/context.h"
#include "ops/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int channels[] = {1, 3, 4};
    sw_context_options options = {.size = sizeof options, .budget_bytes = 64 << 20, .threads = 1};
    sw_context *ctx = sw_context_create(&options);
    for (int i = 0; i < 3; i++) {
        sw_tensor *picture;
        sw_status status = sw_image_decode(ctx, data, size, channels[i], &picture);
        if ((status == SW_OK) != (picture != NULL) || (picture && sw_tensor_dim(picture, 2) != channels[i]))
            abort();
        sw_tensor_release(picture);
    }
    if (sw_context_bytes(ctx) != 0)
        abort();
    sw_context_free(ctx);
    return 0;
}
