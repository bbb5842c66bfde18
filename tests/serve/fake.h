/* tests/serve/fake.h: models that need no compiler, and a server around them in this process.
 *
 * "row-id" answers every row with itself, so a row that went to the wrong caller is seen at once. It can be made to
 * wait (the lane is blocked), to fail on a certain value, and to change its version. */
#ifndef TESTS_SERVE_FAKE_H
#define TESTS_SERVE_FAKE_H

#include <pthread.h>
#include <stdatomic.h>

#include "../net/callers.h"
#include "base/context.h"
#include "serve/serving.h"

enum { FAKE_WIDTH = 3 };
#define FAKE_POISON -666.0f

typedef struct fake {
    sw_source source;
    sw_context *ctx;
    atomic_llong wanted; /* the version that the source asks for */
    atomic_int loaded, freed;
    atomic_llong fail_runs_of; /* every run of that version fails */
    atomic_int fail_loads;     /* so many loads fail */
    atomic_int runs, rows;     /* of the model, padding included */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool blocked;
    int waiting; /* runs that wait for the block to end */
    int slow_us;
} fake;

typedef struct fake_version {
    sw_servable servable;
    sw_port input, output;
    fake *owner;
} fake_version;

static inline sw_status fake_run(sw_servable *self, sw_tensor *const *inputs, sw_tensor **outputs, sw_cancel *cancel)
{
    fake *f = ((fake_version *)self)->owner;
    sw_tensor *in = inputs[0];
    if (atomic_load(&f->fail_runs_of) == self->version)
        return sw_fail(SW_INTERNAL, "version %lld does not run", (long long)self->version);
    pthread_mutex_lock(&f->lock);
    f->waiting++;
    pthread_cond_broadcast(&f->changed);
    while (f->blocked && sw_cancel_check(cancel) == SW_OK) {
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 1000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&f->changed, &f->lock, &soon);
    }
    f->waiting--;
    pthread_mutex_unlock(&f->lock);
    if (f->slow_us)
        usleep((unsigned)f->slow_us);
    sw_status status = sw_cancel_check(cancel);
    if (status != SW_OK)
        return sw_fail(status, "stopped");
    atomic_fetch_add(&f->runs, 1);
    atomic_fetch_add(&f->rows, (int)sw_tensor_dim(in, 0));
    const float *x = sw_tensor_data(in);
    for (int64_t i = 0; i < sw_tensor_count(in); i++)
        if (x[i] == FAKE_POISON)
            return sw_fail(SW_INVALID, "row-id does not like %g", (double)FAKE_POISON);
    if (!outputs[0] && !(outputs[0] = sw_tensor_new(f->ctx, SW_F32, sw_tensor_dims(in))))
        return sw_alloc_status();
    memcpy(sw_tensor_data(outputs[0]), x, sw_tensor_bytes(in));
    return SW_OK;
}

static inline void fake_version_free(sw_servable *self)
{
    fake *f = ((fake_version *)self)->owner;
    atomic_fetch_add(&f->freed, 1);
    sw_free(f->ctx, self);
}

static inline sw_status fake_wanted(sw_source *source, int64_t *version)
{
    *version = atomic_load(&((fake *)source)->wanted);
    return SW_OK;
}

static inline sw_status fake_load(sw_source *source, int64_t version, int lanes, sw_servable **servable)
{
    fake *f = (fake *)source;
    (void)lanes;
    if (atomic_load(&f->fail_loads) > 0) {
        atomic_fetch_sub(&f->fail_loads, 1);
        return sw_fail(SW_CORRUPT, "version %lld is broken", (long long)version);
    }
    fake_version *v = sw_alloc_zero(f->ctx, sizeof *v);
    if (!v)
        return sw_alloc_status();
    v->owner = f;
    v->input = (sw_port){"x", SW_F32, {2, {-1, FAKE_WIDTH}}};
    v->output = (sw_port){"y", SW_F32, {2, {-1, FAKE_WIDTH}}};
    v->servable = (sw_servable){.version = version,
                                .platform = "fake",
                                .input_count = 1,
                                .output_count = 1,
                                .inputs = &v->input,
                                .outputs = &v->output,
                                .batched = true,
                                .max_batch = 8,
                                .run = fake_run,
                                .free = fake_version_free};
    atomic_fetch_add(&f->loaded, 1);
    *servable = &v->servable;
    return SW_OK;
}

static inline void fake_source_free(sw_source *source) { (void)source; }

/* ---- a server in this process ---- */

typedef struct server {
    sw_context *ctx;
    sw_loop *loop;
    sw_serving *serving;
    fake model;
    pthread_t thread;
    char address[SW_ADDRESS_MAX];
    sw_post drain;
    int grace_ms;
} server;

static inline void *server_main(void *user)
{
    sw_loop_run(((server *)user)->loop);
    return NULL;
}

static inline server *server_start(const sw_serving_options *options)
{
    server *s = calloc(1, sizeof *s);
    s->ctx = sw_context_create(NULL);
    s->loop = sw_loop_new(s->ctx);
    s->model = (fake){.source = {fake_wanted, fake_load, fake_source_free}, .ctx = s->ctx, .wanted = 1};
    pthread_mutex_init(&s->model.lock, NULL);
    pthread_cond_init(&s->model.changed, NULL);
    s->serving = sw_serving_new(s->loop, options);
    if (!s->serving || sw_serving_add(s->serving, "row-id", &s->model.source) != SW_OK ||
        sw_serving_start(s->serving, "127.0.0.1:0", s->address) != SW_OK)
        fprintf(stderr, "server: %s\n", sw_error_text());
    pthread_create(&s->thread, NULL, server_main, s);
    while (!sw_serving_ready(s->serving))
        usleep(500);
    return s;
}

/* Ends it; the number of bytes that were not given back. */
static inline uint64_t server_stop(server *s)
{
    sw_loop_stop(s->loop);
    pthread_join(s->thread, NULL);
    sw_serving_free(s->serving);
    sw_loop_free(s->loop);
    uint64_t left = sw_context_bytes(s->ctx);
    sw_context_free(s->ctx);
    free(s);
    return left;
}

static inline void server_block_lane(server *s)
{
    pthread_mutex_lock(&s->model.lock);
    s->model.blocked = true;
    pthread_mutex_unlock(&s->model.lock);
}

static inline void server_unblock_lane(server *s)
{
    pthread_mutex_lock(&s->model.lock);
    s->model.blocked = false;
    pthread_cond_broadcast(&s->model.changed);
    pthread_mutex_unlock(&s->model.lock);
}

static inline void server_wait_until_running(server *s)
{
    pthread_mutex_lock(&s->model.lock);
    while (s->model.waiting == 0)
        pthread_cond_wait(&s->model.changed, &s->model.lock);
    pthread_mutex_unlock(&s->model.lock);
}

static inline void caller_ask(int fd, const char *method, const char *path, const char *headers, const char *body)
{
    char text[8192];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: test\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
             headers, strlen(body), body);
    caller_say(fd, text);
}

static inline void caller_ask_row(int fd, float value)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,%d],\"datatype\":\"FP32\",\"data\":[%.9g,%.9g,%.9g]}]}",
             FAKE_WIDTH, (double)value, (double)value + 1, (double)value + 2);
    caller_ask(fd, "POST", "/v2/models/row-id/infer", "", body);
}

static inline bool answer_is_row(const struct answer *a, float value)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\"shape\":[1,%d],\"data\":[%.9g,%.9g,%.9g]}]}", FAKE_WIDTH, (double)value,
             (double)value + 1, (double)value + 2);
    return a->status == 200 && strstr(a->body, wanted);
}

/* A sample of the metrics page, by its whole name; -1 when there is none. */
static inline double server_metric(server *s, const char *name)
{
    static struct answer page;
    int fd = caller_open(s->address);
    caller_ask(fd, "GET", "/metrics", "", "");
    caller_hear(fd, &page);
    close(fd);
    char line[256];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(page.body, line);
    return at ? atof(at + strlen(line)) : -1;
}

#endif
