/* slipway.c: the composition root, the one file that knows every room. */
#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "base/context.h"
#include "code_version.h"
#include "ops/table.h"
#include "run/executor.h"

const char *sw_version(void) { return SW_VERSION; }

const char *sw_code_version(void) { return SW_CODE_VERSION; }

/* What this build knows, registered in the order in which it leans on each other. */
static sw_status furnish(sw_context *ctx)
{
    SW_TRY(sw_ops_register(ctx));
    SW_TRY(sw_ref_backend_register(ctx));
    SW_TRY(sw_cpu_register(ctx));
    return sw_executor_install(ctx);
}

sw_context *sw_context_new(const sw_context_options *options)
{
    sw_context *ctx = sw_context_create(options);
    if (ctx == NULL || furnish(ctx) == SW_OK)
        return ctx;
    sw_context_free(ctx);
    return NULL;
}
