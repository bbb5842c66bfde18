/* Inference requests from outside, for a model with an input of every class of type. What was read must be written. */
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "serve/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sw_context *ctx;
    if (!ctx)
        ctx = sw_context_create(NULL);
    static const sw_port inputs[] = {
        {"x", SW_F32, {2, {-1, 3}}}, {"i", SW_I8, {1, {-1}}}, {"s", SW_STRING, {1, {-1}}}, {"b", SW_BOOL, {0, {0}}}};
    sw_servable model = {.version = 1, .input_count = 4, .output_count = 1, .inputs = inputs, .outputs = inputs};
    sw_request r = {.ctx = ctx};
    char *body = malloc(size + 1); /* as the server has it: a NUL behind */
    memcpy(body, data, size);
    body[size] = 0;
    if (sw_infer_read(&r, &model, body, size) == SW_OK) {
        sw_text text;
        sw_text_init(&text, ctx);
        sw_tensor *t = sw_tensor_new(ctx, SW_F32, r.inputs.items[0].dims);
        if (r.inputs.items[0].bytes)
            memcpy(sw_tensor_data(t), r.data.items + r.inputs.items[0].at, r.inputs.items[0].bytes);
        sw_infer_write(&r, "m", &model, &t, 0, &text);
        sw_scan scan = sw_scan_of(text.data, text.size);
        if (text.status != SW_OK || sw_scan_skip(&scan) != SW_OK || sw_scan_end(&scan) != SW_OK)
            abort();
        sw_tensor_release(t);
        sw_text_free(&text);
    }
    free(body);
    sw_request_free(&r);
    if (sw_context_bytes(ctx) != 0)
        abort();
    return 0;
}
