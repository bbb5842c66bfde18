/* Whatever the bytes are, the ZIP reader answers within its budget and gives everything back. */
#include <stdlib.h>

#include "base/context.h"
#include "base/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_context_options options = {.size = sizeof options, .budget_bytes = 64 << 20, .threads = 1};
    sw_context *ctx = sw_context_create(&options);
    sw_zip zip;
    if (sw_zip_open(ctx, "fuzz", data, size, &zip) == SW_OK) {
        for (int i = 0; i < zip.count; i++) {
            const uint8_t *contents;
            void *owned;
            if (sw_zip_read(&zip, &zip.entries[i], &contents, &owned) == SW_OK)
                sw_free(ctx, owned);
        }
        sw_zip_close(&zip);
    }
    if (sw_context_bytes(ctx) != 0)
        abort();
    sw_context_free(ctx);
    return 0;
}
