/* engine.c: backends, executors and teams as the graph room sees them: names and pointers.
 *
 * Choosing a kernel is a walk down a backend's list until one candidate applies and prepares itself; everybody who was
 * passed over says why. */
#include "graph/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "base/log.h"
#include "base/vec.h"

/* ---- backends ---- */
struct backends {
    sw_vec(const sw_backend *) list;
};

static const char backends_key, executor_key;

static void backends_release(sw_context *ctx, void *value)
{
    struct backends *backends = value;
    sw_vec_free(ctx, &backends->list);
    sw_free(ctx, backends);
}

sw_status sw_backend_register(sw_context *ctx, const sw_backend *backend)
{
    if (!backend || !backend->name || !backend->candidates)
        return sw_fail(SW_INVALID, "a backend needs a name and candidates");
    if (sw_backend_find(ctx, backend->name))
        return sw_fail(SW_EXISTS, "a backend '%s' is registered already", backend->name);
    struct backends *backends = sw_context_attached(ctx, &backends_key);
    if (!backends) {
        backends = sw_alloc_zero(ctx, sizeof *backends);
        sw_status status =
            backends ? sw_context_attach(ctx, &backends_key, backends, backends_release) : sw_alloc_status();
        if (status != SW_OK) {
            sw_free(ctx, backends);
            return status;
        }
    }
    return sw_vec_push(ctx, &backends->list, backend);
}

const sw_backend *sw_backend_find(sw_context *ctx, const char *name)
{
    struct backends *backends = sw_context_attached(ctx, &backends_key);
    for (size_t i = 0; backends && name && i < backends->list.count; i++)
        if (strcmp(backends->list.items[i]->name, name) == 0)
            return backends->list.items[i];
    return NULL;
}

/* ---- choosing a kernel ---- */
struct reasons {
    char text[640];
    size_t used;
};

static void add_reason(struct reasons *reasons, const char *kernel, const char *why)
{
    int wrote = snprintf(reasons->text + reasons->used, sizeof reasons->text - reasons->used, "%s%s: %s",
                         reasons->used ? "; " : "", kernel, why);
    if (wrote > 0)
        reasons->used += (size_t)wrote;
    if (reasons->used >= sizeof reasons->text)
        reasons->used = sizeof reasons->text - 1;
}

/* SW_UNSUPPORTED is a reason to ask the next one; any other failure ends the search. */
static sw_status prepare(const sw_kernel *kernel, const sw_site *site, sw_prepared *prepared)
{
    *prepared = (sw_prepared){0};
    return kernel->prepare ? kernel->prepare(site, prepared) : SW_OK;
}

sw_status sw_kernel_choose(const sw_backend *backend, const sw_site *site, const sw_kernel **kernel,
                           sw_prepared *prepared)
{
    const char *op = sw_node_op(site->node)->name;
    const sw_kernel *const *candidates = backend->candidates(backend, op);
    bool traced = sw_context_traces(site->ctx, "kernels");
    struct reasons reasons = {.text = ""};
    for (; candidates && *candidates; candidates++) {
        const char *why = (*candidates)->skips ? (*candidates)->skips(site) : NULL;
        if (!why) {
            sw_status status = prepare(*candidates, site, prepared);
            if (traced && status == SW_OK)
                sw_log_info(site->ctx, "kernels: %s '%s': %s takes it", op, sw_node_name(site->node),
                            (*candidates)->name);
            *kernel = *candidates;
            if (status != SW_UNSUPPORTED)
                return status == SW_OK ? SW_OK : sw_fail_in(status, "%s '%s'", op, sw_node_name(site->node));
            why = sw_error_text();
        }
        if (traced)
            sw_log_info(site->ctx, "kernels: %s '%s': %s skipped: %s", op, sw_node_name(site->node),
                        (*candidates)->name, why);
        add_reason(&reasons, (*candidates)->name, why);
    }
    *kernel = NULL;
    return sw_fail(SW_UNSUPPORTED, "%s '%s': backend '%s' has no kernel for it (%s)", op, sw_node_name(site->node),
                   backend->name, reasons.used ? reasons.text : "no candidates");
}

/* ---- teams ---- */
void sw_team_run(sw_team *team, int parts, void (*body)(void *user, int part), void *user)
{
    if (sw_team_size(team) > 1 && parts > 1) {
        team->run(team, parts, body, user);
        return;
    }
    for (int part = 0; part < parts; part++)
        body(user, part);
}

/* ---- the executor of awake graphs ---- */
static void executor_release(sw_context *ctx, void *value)
{
    sw_executor *executor = value;
    if (executor->release)
        executor->release(ctx, executor);
}

sw_status sw_executor_attach(sw_context *ctx, sw_executor *executor)
{
    return sw_context_attach(ctx, &executor_key, executor, executor_release);
}

sw_executor *sw_executor_of(sw_context *ctx) { return sw_context_attached(ctx, &executor_key); }
