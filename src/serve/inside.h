/* serve/inside.h: the server's inside, shared by serving.c, loader.c, routes.c and metrics_page.c only. */
#ifndef SW_SERVE_INSIDE_H
#define SW_SERVE_INSIDE_H

#include <pthread.h>

#include "serve/scheduler.h"
#include "serve/serving.h"

enum { SW_SERVED_MODELS_MAX = 256 };

struct sw_serving {
    sw_context *ctx;
    sw_loop *loop;
    sw_serving_options options;
    sw_server *server;
    sw_scheduler *scheduler;
    sw_model *models[SW_SERVED_MODELS_MAX];
    int model_count;
    atomic_int models_ready;
    atomic_bool draining;

    /* Draining, the loop's. */
    sw_timer drain_timer;
    bool closed;
    uint64_t closed_at;

    /* The loader thread, and the version on its way from it to the loop. */
    pthread_t loader;
    bool loader_started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    sw_post handover;
    sw_model *handover_model;
    sw_loaded *handover_version;
    sw_loaded *handover_old; /* what it replaced, on its way back to be freed */
    sw_error fatal;
};

/* loader.c */
sw_status sw_loader_start(sw_serving *serving);
void sw_loader_stop(sw_serving *serving);

/* routes.c: the service that the HTTP server calls. */
sw_server_service sw_routes_service(sw_serving *serving);

/* metrics_page.c */
void sw_metrics_page(sw_serving *serving, sw_text *text);

#endif
