/* Whatever the bytes are, plain or gzipped, the IDX reader answers, within the memory that they could fill. */
#include <stdlib.h>

#include "base/context.h"
#include "data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_context_options options = {.size = sizeof options, .budget_bytes = 256 << 20, .threads = 1};
    sw_context *ctx = sw_context_create(&options);
    sw_tensor *tensor = NULL;
    if (sw_idx_parse(ctx, "fuzz", data, size, &tensor) == SW_OK) {
        if (sw_tensor_rank(tensor) < 1 || sw_tensor_rank(tensor) > SW_IDX_MAX_RANK)
            abort();
        sw_tensor_release(tensor);
    } else if (tensor != NULL || sw_error_text()[0] == '\0') {
        abort();
    }
    if (sw_context_bytes(ctx) != 0)
        abort();
    sw_context_free(ctx);
    return 0;
}
