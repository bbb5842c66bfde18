/* Histograms and Prometheus' text form (exposition format 0.0.4). */
#include "serve/metrics.h"

#include <stdio.h>

/* Upper bounds in microseconds: from what an identity model takes to what a person gives up on. */
static const uint32_t bounds_us[] = {10,    25,    50,     100,    250,    500,     1000,    2500,    5000,    10000,
                                     25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
enum { BOUNDS = sizeof bounds_us / sizeof *bounds_us };

static const uint32_t bounds_rows[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256};
enum { ROW_BOUNDS = sizeof bounds_rows / sizeof *bounds_rows };

_Static_assert((int)BOUNDS <= (int)SW_HISTOGRAM_MAX && (int)ROW_BOUNDS <= (int)SW_HISTOGRAM_MAX,
               "histograms are too small");

void sw_histogram_add_ns(sw_histogram *h, uint64_t ns)
{
    int i = 0;
    while (i < BOUNDS && ns > bounds_us[i] * 1000ull)
        i++;
    sw_count(&h->buckets[i], 1);
    sw_count(&h->sum, ns);
}

void sw_histogram_add_rows(sw_histogram *h, uint64_t rows)
{
    int i = 0;
    while (i < ROW_BOUNDS && rows > bounds_rows[i])
        i++;
    sw_count(&h->buckets[i], 1);
    sw_count(&h->sum, rows);
}

void sw_metrics_family(sw_text *text, const char *name, const char *type, const char *help)
{
    sw_text_addf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sw_metrics_value(sw_text *text, const char *name, const char *labels, double value)
{
    sw_text_addf(text, *labels ? "%s{%s} %.15g\n" : "%s%s %.15g\n", name, labels, value);
}

static void write_histogram(sw_text *text, const char *name, const char *labels, const sw_histogram *h,
                            const uint32_t *bounds, int count, double bound_unit, double sum_unit)
{
    uint64_t below = 0;
    for (int i = 0; i <= count; i++) {
        below += sw_counted(&h->buckets[i]);
        if (i < count)
            sw_text_addf(text, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, bounds[i] * bound_unit,
                         (unsigned long long)below);
        else
            sw_text_addf(text, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long)below);
    }
    sw_text_addf(text, "%s_sum{%s} %.9g\n%s_count{%s} %llu\n", name, labels, (double)sw_counted(&h->sum) * sum_unit,
                 name, labels, (unsigned long long)below);
}

void sw_metrics_durations(sw_text *text, const char *name, const char *labels, const sw_histogram *h)
{
    write_histogram(text, name, labels, h, bounds_us, BOUNDS, 1e-6, 1e-9);
}

void sw_metrics_rows(sw_text *text, const char *name, const char *labels, const sw_histogram *h)
{
    write_histogram(text, name, labels, h, bounds_rows, ROW_BOUNDS, 1, 1);
}

const char *sw_refusal_name(sw_refusal refusal)
{
    static const char *const names[] = {[SW_REFUSED_FULL] = "queue_full",
                                        [SW_REFUSED_DEADLINE] = "deadline",
                                        [SW_REFUSED_LOADING] = "loading",
                                        [SW_REFUSED_INVALID] = "invalid"};
    return names[refusal];
}
