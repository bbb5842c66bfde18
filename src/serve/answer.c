/* The ways a request can end: with rows, with an error, or with nobody there to be answered.
 *
 * Each of these counts what happened, lets go of the version and gives the exchange back, so whoever calls one must not
 * touch the request afterwards. Texts for callers name no insides; those are for the log. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/answer.h"

int sw_http_status_of(sw_status status)
{
    switch (status) {
    case SW_OK:
        return 200;
    case SW_INVALID:
    case SW_SHAPE:
    case SW_UNSUPPORTED:
        return 400;
    case SW_NOT_FOUND:
        return 404;
    case SW_BUSY:
        return 429;
    case SW_NO_MEMORY:
    case SW_BUDGET:
    case SW_CANCELLED:
        return 503;
    case SW_DEADLINE:
        return 504;
    default:
        return 500;
    }
}

static void forget(sw_request *r)
{
    if (r->version)
        sw_loaded_release(r->version, 1);
    r->version = NULL;
}

static void say_error(sw_request *r, int code, const char *text)
{
    forget(r);
    sw_text *body = sw_exchange_body(r->exchange);
    sw_text_clear(body);
    sw_error_write(body, text);
    sw_exchange_reply(r->exchange, code, "application/json", code == 429 || code == 503 ? "Retry-After: 1\r\n" : NULL);
}

void sw_request_fail(sw_request *r, sw_status status, const char *text)
{
    say_error(r, sw_http_status_of(status), text);
}

void sw_request_refuse(sw_request *r, sw_status status)
{
    char text[SW_ERROR_TEXT_MAX];
    int code = status == SW_UNSUPPORTED ? 415 : sw_http_status_of(status);
    snprintf(text, sizeof text, "%s", code == 500 ? "the request could not be read" : sw_error_text());
    sw_count(&r->model->metrics.refused[SW_REFUSED_INVALID], 1);
    say_error(r, code, text);
}

void sw_request_drop(sw_request *r)
{
    sw_count(&r->model->metrics.left, 1);
    forget(r);
    sw_exchange_drop(r->exchange);
}

void sw_request_late(sw_request *r)
{
    sw_count(&r->model->metrics.refused[SW_REFUSED_DEADLINE], 1);
    sw_request_fail(r, SW_DEADLINE, "the deadline passed before the model could run");
}

void sw_request_answer(sw_request *r, sw_tensor *const *outputs, int64_t row)
{
    sw_model_metrics *m = &r->model->metrics;
    sw_text *body = sw_exchange_body(r->exchange);
    sw_histogram_add_ns(&m->queue, r->run_at - r->queued_at);
    sw_histogram_add_ns(&m->compute, r->ran_at - r->run_at);
    if (r->picture)
        sw_tags_write(r, r->model->name, r->version->servable, outputs, row, body);
    else
        sw_infer_write(r, r->model->name, r->version->servable, outputs, row, body);
    sw_count(&m->answered, 1);
    sw_histogram_add_ns(&m->total, sw_now_ns() - r->arrived);
    sw_exchange_reply(r->exchange, 200, "application/json", NULL);
}

void sw_request_failed(sw_request *r, const sw_error *error)
{
    sw_model_metrics *m = &r->model->metrics;
    if (error->status == SW_DEADLINE) {
        sw_count(&m->refused[SW_REFUSED_DEADLINE], 1);
        sw_request_fail(r, SW_DEADLINE, "the deadline passed while the model ran");
        return;
    }
    sw_count(&m->failed, 1);
    /* Faults of ours are for the log; callers learn that there was one. */
    if (sw_http_status_of(error->status) == 500)
        sw_log_error(r->ctx, "%s: run failed: %s", r->model->name, error->text);
    sw_request_fail(r, error->status,
                    sw_http_status_of(error->status) == 500 ? "the model failed to run" : error->text);
}
