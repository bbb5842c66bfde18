/* ref.c: the backend of plain truth.
 *
 * Its one candidate for an op is the row's reference body, so it can run whatever the table says and everything else is
 * tested against it. It knows no instruction set, packs nothing, keeps nothing and has no preferences. */
#include "backend/ref/ref.h"

#include <stdio.h>

static const char *skips(const sw_site *site)
{
    return sw_node_op(site->node)->reference ? NULL : "the row has no reference body";
}

static sw_status run(const sw_call *call) { return sw_node_op(call->node)->reference(call); }

static const sw_kernel reference = {.name = "reference", .op = "*", .skips = skips, .run = run, .fixed_slices = true};

static const sw_kernel *const *candidates(const sw_backend *backend, const char *op)
{
    static const sw_kernel *const only[] = {&reference, NULL};
    (void)backend, (void)op;
    return only;
}

static sw_layout prefers(const sw_site *site)
{
    (void)site;
    return SW_LAYOUT_PLAIN;
}

static bool takes(const sw_site *site, sw_layout layout)
{
    (void)site;
    return layout == SW_LAYOUT_PLAIN;
}

static bool fuses(sw_context *ctx, const char *op, const char *activation)
{
    (void)ctx, (void)op, (void)activation;
    return false;
}

static void identity(sw_context *ctx, char *text, size_t size)
{
    (void)ctx;
    snprintf(text, size, "ref: reference bodies in double");
}

static const sw_backend backend = {
    .name = "ref",
    .candidates = candidates,
    .prefers = prefers,
    .takes = takes,
    .fuses = fuses,
    .identity = identity,
};

sw_status sw_ref_backend_register(sw_context *ctx) { return sw_backend_register(ctx, &backend); }
