/* serve/serving.h: the server: models behind one HTTP address, from start to farewell.
 *
 * Models are loaded and warmed on a thread of their own, at low priority; a version is put in place by the loop's
 * thread after it answered its own warm-up, and the one before it goes when its last request has its answer. The
 * source of each model is asked several times a second which version it should be.
 * Uses: serve/scheduler.h, net/server.h. */
#ifndef SW_SERVE_SERVING_H
#define SW_SERVE_SERVING_H

#include "net/server.h"
#include "serve/servable.h"

typedef struct sw_serving sw_serving;

typedef struct sw_serving_options {
    sw_server_options server;
    int lanes;      /* threads that run models */
    int max_queue;  /* requests waiting per model; more are answered 429 */
    int inline_us;  /* runs expected to take less stay on the loop's thread; 0: none */
    int timeout_ms; /* for a request that asks for no less; 0: none */
    int poll_ms;    /* how often sources are asked */
} sw_serving_options;

#define SW_SERVING_DEFAULTS                                                                                            \
    ((sw_serving_options){.server = SW_SERVER_DEFAULTS,                                                                \
                          .lanes = 1,                                                                                  \
                          .max_queue = 256,                                                                            \
                          .inline_us = 50,                                                                             \
                          .timeout_ms = 60000,                                                                         \
                          .poll_ms = 200})

sw_serving *sw_serving_new(sw_loop *loop, const sw_serving_options *options); /* NULL with a text */
/* Serves `source` (taken over, also on failure) as `name`. Before start. */
sw_status sw_serving_add(sw_serving *serving, const char *name, sw_source *source);
/* Begins to load and to listen: from here on it is live, and ready once every model is. */
sw_status sw_serving_start(sw_serving *serving, const char *address, char bound[SW_ADDRESS_MAX]);

/* Loop thread. Not ready at once, but answering for `grace_ms`; then accepts nobody, finishes what is in flight and
 * stops the loop. Called again: the grace is over. */
void sw_serving_drain(sw_serving *serving, int grace_ms);

/* After the loop has stopped: SW_OK, or why it had to stop (a model that never loaded). */
sw_status sw_serving_outcome(const sw_serving *serving);
/* The loop must not be running. NULL is allowed. */
void sw_serving_free(sw_serving *serving);

/* ---- for tests and watchers; any thread ---- */
bool sw_serving_ready(const sw_serving *serving);

#endif
