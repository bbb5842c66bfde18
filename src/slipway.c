/* slipway.c: the composition root, the one file that knows every room. */
#include "base/context.h"

const char *sw_version(void)
{
    return SW_VERSION;
}

sw_context *sw_context_new(const sw_context_options *options)
{
    return sw_context_create(options);
}
