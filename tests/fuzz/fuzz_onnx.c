/* Whatever the bytes are, the ONNX reader answers within its budget and gives everything back; what it accepts
 * verifies. */
#include <stdlib.h>

#include "base/alloc.h"
#include "slipway/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sw_context *ctx;
    if (!ctx) {
        sw_context_options options = {.size = sizeof options, .budget_bytes = 256 << 20, .threads = 1};
        ctx = sw_context_new(&options);
    }
    uint64_t held = sw_context_bytes(ctx);
    sw_artifact *artifact;
    if (sw_artifact_open_bytes(ctx, "fuzz", data, size, false, &artifact) == SW_OK) {
        if (sw_graph_verify(sw_artifact_graph(artifact)) != SW_OK)
            abort();
        sw_artifact_close(artifact);
    }
    if (sw_context_bytes(ctx) != held)
        abort();
    return 0;
}
