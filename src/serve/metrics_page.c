/* The page at /metrics: one family after another, each with a sample per model. */
#include <stdio.h>

#include "serve/inside.h"

typedef void (*writer)(sw_text *text, const char *name, const char *labels, const sw_histogram *h);

static void labels_of(const sw_model *m, const char *more, char labels[256])
{
    snprintf(labels, 256, "model=\"%s\"%s", m->name, more);
}

static void histograms(sw_serving *s, sw_text *text, const char *name, const char *help, size_t offset, writer write)
{
    char labels[256];
    sw_metrics_family(text, name, "histogram", help);
    for (int i = 0; i < s->model_count; i++) {
        labels_of(s->models[i], "", labels);
        write(text, name, labels, (const sw_histogram *)((const char *)&s->models[i]->metrics + offset));
    }
}

static void counters(sw_serving *s, sw_text *text, const char *name, const char *help, size_t offset, const char *more)
{
    char labels[256];
    sw_metrics_family(text, name, "counter", help);
    for (int i = 0; i < s->model_count; i++) {
        labels_of(s->models[i], more, labels);
        sw_metrics_value(text, name, labels,
                         (double)sw_counted((const sw_counter *)((const char *)&s->models[i]->metrics + offset)));
    }
}

#define OF(field) offsetof(sw_model_metrics, field)

static void outcomes(sw_serving *s, sw_text *text)
{
    char labels[256], more[64];
    sw_metrics_family(text, "slipway_rejected_total", "counter", "Requests that were not run, by reason.");
    for (int i = 0; i < s->model_count; i++)
        for (int k = 0; k < SW_REFUSAL_COUNT; k++) {
            snprintf(more, sizeof more, ",reason=\"%s\"", sw_refusal_name((sw_refusal)k));
            labels_of(s->models[i], more, labels);
            sw_metrics_value(text, "slipway_rejected_total", labels,
                             (double)sw_counted(&s->models[i]->metrics.refused[k]));
        }
    counters(s, text, "slipway_dropped_total", "Requests dropped before execution because the caller had left.",
             OF(left), ",reason=\"left\"");
}

static void states(sw_serving *s, sw_text *text)
{
    char labels[256];
    sw_metrics_family(text, "slipway_queue_length", "gauge", "Requests that wait.");
    for (int i = 0; i < s->model_count; i++) {
        labels_of(s->models[i], "", labels);
        sw_metrics_value(text, "slipway_queue_length", labels, sw_scheduler_waiting(s->scheduler, s->models[i]));
    }
    sw_metrics_family(text, "slipway_model_version", "gauge", "The version that is served; 0: none yet.");
    for (int i = 0; i < s->model_count; i++) {
        const sw_loaded *v = s->models[i]->current;
        labels_of(s->models[i], "", labels);
        sw_metrics_value(text, "slipway_model_version", labels, v ? (double)v->servable->version : 0);
    }
    sw_metrics_family(text, "slipway_ready", "gauge", "1 when every model is ready and no end is near.");
    sw_metrics_value(text, "slipway_ready", "", sw_serving_ready(s));
    sw_metrics_family(text, "slipway_memory_bytes", "gauge", "Bytes held through our own allocator.");
    sw_metrics_value(text, "slipway_memory_bytes", "", (double)sw_context_bytes(s->ctx));
}

static void connections(sw_serving *s, sw_text *text)
{
    sw_server_counts *c = sw_server_count(s->server);
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"slipway_connections_total", "Connections accepted.", atomic_load(&c->accepted)},
        {"slipway_connections_refused_total", "Connections over the limit.", atomic_load(&c->refused)},
        {"slipway_received_bytes_total", "Bytes received.", atomic_load(&c->bytes_in)},
        {"slipway_sent_bytes_total", "Bytes sent.", atomic_load(&c->bytes_out)},
        {"slipway_bad_http_total", "Requests that were no acceptable HTTP.", atomic_load(&c->bad_requests)},
        {"slipway_slow_callers_total", "Connections ended because their caller was too slow.",
         atomic_load(&c->timeouts)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sw_metrics_family(text, rows[i].name, "counter", rows[i].help);
        sw_metrics_value(text, rows[i].name, "", (double)rows[i].value);
    }
    sw_metrics_family(text, "slipway_connections", "gauge", "Connections open now.");
    sw_metrics_value(text, "slipway_connections", "", sw_server_connections(s->server));
}

void sw_metrics_page(sw_serving *s, sw_text *text)
{
    histograms(s, text, "slipway_request_seconds", "From the complete request to its answer.", OF(total),
               sw_metrics_durations);
    histograms(s, text, "slipway_queue_seconds", "From the complete request to its run.", OF(queue),
               sw_metrics_durations);
    histograms(s, text, "slipway_compute_seconds", "The run that the request took part in.", OF(compute),
               sw_metrics_durations);
    histograms(s, text, "slipway_batch_rows", "Callers' rows in a run.", OF(rows_per_run), sw_metrics_rows);
    counters(s, text, "slipway_answered_total", "Requests answered with a result.", OF(answered), "");
    counters(s, text, "slipway_failed_total", "Requests whose run failed.", OF(failed), "");
    outcomes(s, text);
    counters(s, text, "slipway_rows_executed_total", "Callers' rows that were run.", OF(rows_executed), "");
    counters(s, text, "slipway_rows_padded_total", "Rows added to reach a prepared size.", OF(rows_padded), "");
    counters(s, text, "slipway_runs_total", "Runs.", OF(runs), "");
    counters(s, text, "slipway_inline_runs_total", "Runs on the loop's own thread.", OF(runs_inline), "");
    counters(s, text, "slipway_reloads_total", "Versions put in place of another.", OF(reloads), "");
    counters(s, text, "slipway_reload_failures_total", "Versions that could not be loaded.", OF(reloads_failed), "");
    states(s, text);
    connections(s, text);
}
