/* Putting the server together, and taking it apart without losing anybody. */
#include "serve/serving.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "serve/inside.h"

#define MS 1000000ull
enum { DRAIN_LOOK_MS = 10, DRAIN_LIMIT_MS = 30000 };

static void fire_drain(sw_timer *timer);

sw_serving *sw_serving_new(sw_loop *loop, const sw_serving_options *options)
{
    sw_context *ctx = sw_loop_context(loop);
    sw_serving *s = sw_alloc_zero(ctx, sizeof *s);
    if (!s)
        return NULL;
    s->ctx = ctx;
    s->loop = loop;
    s->options = *options;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (sw_loop_timer_add(loop, &s->drain_timer, fire_drain) != SW_OK) {
        sw_free(ctx, s);
        return NULL;
    }
    sw_server_service service = sw_routes_service(s);
    s->scheduler = sw_scheduler_new(loop, (sw_scheduler_options){.lanes = options->lanes,
                                                                 .max_queue = options->max_queue,
                                                                 .inline_ns = (uint64_t)options->inline_us * 1000});
    s->server = s->scheduler ? sw_server_new(loop, &service, &options->server) : NULL;
    if (!s->server) {
        sw_serving_free(s);
        return NULL;
    }
    return s;
}

sw_status sw_serving_add(sw_serving *s, const char *name, sw_source *source)
{
    sw_status status = SW_OK;
    for (int i = 0; i < s->model_count; i++)
        if (strcmp(s->models[i]->name, name) == 0)
            status = sw_fail(SW_EXISTS, "two models would be served as '%s'; name one of them (NAME=MODEL)", name);
    if (status == SW_OK && s->model_count == SW_SERVED_MODELS_MAX)
        status = sw_fail(SW_INVALID, "at most %d models", SW_SERVED_MODELS_MAX);
    sw_model *m = status == SW_OK ? sw_alloc_zero(s->ctx, sizeof *m) : NULL;
    if (status == SW_OK && !m)
        status = sw_alloc_status();
    if (status == SW_OK)
        status = sw_scheduler_add(s->scheduler, m);
    if (status != SW_OK) {
        sw_free(s->ctx, m);
        source->free(source);
        return status;
    }
    snprintf(m->name, sizeof m->name, "%s", name);
    m->source = source;
    s->models[s->model_count++] = m;
    return SW_OK;
}

sw_status sw_serving_start(sw_serving *s, const char *address, char bound[SW_ADDRESS_MAX])
{
    SW_TRY(sw_server_listen(s->server, address, bound));
    SW_TRY(sw_scheduler_start(s->scheduler));
    return sw_loader_start(s);
}

bool sw_serving_ready(const sw_serving *s)
{
    return atomic_load_explicit(&s->models_ready, memory_order_acquire) == s->model_count &&
           !atomic_load_explicit(&s->draining, memory_order_relaxed);
}

/* ---- the end ---- */

static void fire_drain(sw_timer *timer)
{
    sw_serving *s = (sw_serving *)((char *)timer - offsetof(sw_serving, drain_timer));
    uint64_t now = sw_loop_now(s->loop);
    if (!s->closed) {
        s->closed = true;
        s->closed_at = now;
        sw_server_close(s->server);
    }
    if (sw_server_connections(s->server) == 0) {
        sw_loop_stop(s->loop);
    } else if (now - s->closed_at > DRAIN_LIMIT_MS * MS) {
        sw_log_warn(s->ctx, "%d connections were still open after %d s", sw_server_connections(s->server),
                    DRAIN_LIMIT_MS / 1000);
        s->fatal = (sw_error){.status = SW_DEADLINE, .text = "requests were still in flight at the end of the drain"};
        sw_loop_stop(s->loop);
    } else {
        sw_loop_timer_set(s->loop, timer, now + DRAIN_LOOK_MS * MS);
    }
}

void sw_serving_drain(sw_serving *s, int grace_ms)
{
    bool again = atomic_exchange_explicit(&s->draining, true, memory_order_relaxed);
    sw_server_farewell(s->server);
    sw_loop_timer_set(s->loop, &s->drain_timer,
                      sw_loop_now(s->loop) + (again || grace_ms < 0 ? 0 : (uint64_t)grace_ms * MS));
}

sw_status sw_serving_outcome(const sw_serving *s)
{
    return s->fatal.status == SW_OK ? SW_OK : sw_error_raise(&s->fatal);
}

void sw_serving_free(sw_serving *s)
{
    if (!s)
        return;
    sw_loader_stop(s);
    sw_scheduler_free(s->scheduler);
    sw_server_free(s->server);
    for (int i = 0; i < s->model_count; i++) {
        sw_model *m = s->models[i];
        if (m->current)
            sw_loaded_release(m->current, 1);
        m->source->free(m->source);
        sw_free(s->ctx, m);
    }
    sw_loop_timer_remove(s->loop, &s->drain_timer);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    sw_free(s->ctx, s);
}
