/* Whatever the text is, both document readers answer and give everything back. The first byte chooses. */
#include <stdlib.h>

#include "base/context.h"
#include "base/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_context_options options = {.size = sizeof options, .budget_bytes = 64 << 20, .threads = 1};
    sw_context *ctx = sw_context_create(&options);
    sw_arena *arena = sw_arena_new(ctx);
    sw_doc *doc;
    sw_doc_yaml(arena, "fuzz.yaml", (const char *)data, size, &doc);
    sw_doc_json(arena, "fuzz.json", (const char *)data, size, &doc);
    sw_arena_free(arena);
    if (sw_context_bytes(ctx) != 0)
        abort();
    sw_context_free(ctx);
    return 0;
}
