/* HTTP from outside: whatever comes, the machine gives the same account of it whole and byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/hash.h"
#include "net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hash over all events, heads and bodies. */
static uint64_t account(sw_context *ctx, const uint8_t *data, size_t size, size_t cut, bool responses)
{
    sw_http m;
    uint64_t hash = 1;
    sw_http_init(&m, ctx, (sw_http_limits){.head_bytes = 1024, .body_bytes = 2048, .chunks = 8});
    m.responses = responses;
    for (size_t at = 0;;) {
        size_t piece = size - at < cut ? size - at : cut, used;
        sw_http_event event = sw_http_feed(&m, data + at, piece, &used);
        if (used > piece)
            abort();
        at += used;
        if (event == SW_HTTP_MORE && at == size)
            break;
        if (event == SW_HTTP_MORE)
            continue;
        hash = hash * 31 + (uint64_t)event;
        if (event == SW_HTTP_HEAD)
            for (int i = 0; i < m.header_count; i++)
                hash = sw_fnv1a_more(hash, m.headers[i].name.at, m.headers[i].name.size) + m.headers[i].value.size;
        if (event == SW_HTTP_DONE) {
            hash = sw_fnv1a_more(hash, m.body.size ? m.body.data : "", m.body.size);
            sw_http_reset(&m);
        }
        if (event == SW_HTTP_BAD) {
            hash = hash * 31 + (uint64_t)m.status;
            break;
        }
    }
    sw_http_free(&m);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sw_context *ctx;
    if (!ctx)
        ctx = sw_context_create(NULL);
    for (int responses = 0; responses < 2; responses++)
        if (account(ctx, data, size, size ? size : 1, responses) != account(ctx, data, size, 1, responses))
            abort();
    return 0;
}
