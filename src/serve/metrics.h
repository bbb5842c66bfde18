/* serve/metrics.h: counting what happens, and telling it in Prometheus' text form.
 *
 * Counters and histograms are atomics that any thread bumps; reading them takes no lock, so a scrape may see a request
 * in one and not yet in another. Histograms are on by default: averages hide what hurts. Uses: base/text.h. */
#ifndef SW_SERVE_METRICS_H
#define SW_SERVE_METRICS_H

#include <stdatomic.h>

#include "base/text.h"

typedef atomic_uint_fast64_t sw_counter;

enum { SW_HISTOGRAM_MAX = 22 };

typedef struct sw_histogram {
    sw_counter buckets[SW_HISTOGRAM_MAX + 1]; /* the last one: beyond every bound */
    sw_counter sum;                           /* ns, or rows */
} sw_histogram;

/* Why a request was not run. */
typedef enum sw_refusal {
    SW_REFUSED_FULL,     /* the queue: 429 */
    SW_REFUSED_DEADLINE, /* 504 */
    SW_REFUSED_LOADING,  /* 503 */
    SW_REFUSED_INVALID,  /* 400, 413, 415 */
    SW_REFUSAL_COUNT
} sw_refusal;

typedef struct sw_model_metrics {
    sw_histogram total, queue, compute; /* durations, ns */
    sw_histogram rows_per_run;
    sw_counter answered, failed; /* 200; the run failed */
    sw_counter refused[SW_REFUSAL_COUNT];
    sw_counter left;          /* dropped before execution because the caller was gone */
    sw_counter rows_executed; /* callers' rows; padding is not counted */
    sw_counter rows_padded;
    sw_counter runs, runs_inline;
    sw_counter reloads, reloads_failed;
} sw_model_metrics;

static inline void sw_count(sw_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
static inline uint64_t sw_counted(const sw_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void sw_histogram_add_ns(sw_histogram *h, uint64_t ns);
void sw_histogram_add_rows(sw_histogram *h, uint64_t rows);

/* "# HELP" and "# TYPE" of a family; then its samples, one labelled set after another. `labels` is 'model="a"' or "".
 */
void sw_metrics_family(sw_text *text, const char *name, const char *type, const char *help);
void sw_metrics_value(sw_text *text, const char *name, const char *labels, double value);
void sw_metrics_durations(sw_text *text, const char *name, const char *labels, const sw_histogram *h);
void sw_metrics_rows(sw_text *text, const char *name, const char *labels, const sw_histogram *h);
const char *sw_refusal_name(sw_refusal refusal);

#endif
