/* serve_overhead: what the server adds to a bare reply of its own loop.
 *
 * Two servers in this process, on one loop each: "bare" reads the request and sends an answer of fixed bytes; "model"
 * serves an identity model, compiled as any other, through protocol, scheduler and plan. Callers send the same request
 * and wait for the answer, 1 or 16 connections from one thread. The two take turns, and each figure is the
 * median over turns; what is reported is both and their difference.
 *
 *   serve_overhead [TURNS] [SECONDS_PER_TURN] */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/context.h"
#include "serve/serving.h"
#include "serve/sources.h"
#include "slipway/ops.h"

enum { CONNECTIONS_MAX = 16, TURNS_MAX = 50, SAMPLES_MAX = 1 << 21 };

/* ---- the two servers ---- */

typedef struct site {
    sw_loop *loop;
    sw_server *server;
    sw_serving *serving;
    pthread_t thread;
    char address[SW_ADDRESS_MAX];
    char *fixed; /* the bare answer */
    size_t fixed_size;
} site;

static void die(const char *what)
{
    fprintf(stderr, "serve_overhead: %s: %s\n", what, sw_error_text());
    exit(1);
}

static void answer_fixed(void *user, sw_exchange *x)
{
    const site *s = user;
    sw_text_addn(sw_exchange_body(x), s->fixed, s->fixed_size);
    sw_exchange_reply(x, 200, "application/json", NULL);
}

static void refuse(void *user, sw_text *body, int status, const char *text)
{
    (void)user, (void)status;
    sw_text_add(body, text);
}

static void *run_loop(void *user)
{
    sw_loop_run(((site *)user)->loop);
    return NULL;
}

static void start_bare(site *s, sw_context *ctx)
{
    sw_server_service service = {.user = s, .request = answer_fixed, .refuse = refuse, .error_type = "text/plain"};
    s->loop = sw_loop_new(ctx);
    s->server = sw_server_new(s->loop, &service, &SW_SERVER_DEFAULTS);
    if (sw_server_listen(s->server, "127.0.0.1:0", s->address) != SW_OK)
        die("listen");
    pthread_create(&s->thread, NULL, run_loop, s);
}

/* x f32[N, 1 … any] -> y, the same. */
static void write_identity(sw_context *ctx, const char *path)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, sw_symbol(g, "N"), sw_symbol(g, "W")));
    sw_output(g, "y", sw_mul_scalar(g, x, 1.0));
    if (!sw_ok(g) || sw_artifact_write(g, NULL, path) != SW_OK)
        die("identity model");
    sw_graph_free(g);
}

static void start_model(site *s, sw_context *ctx)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/serve-overhead-%d.onnx", (int)getpid());
    write_identity(ctx, path);
    sw_serving_options options = SW_SERVING_DEFAULTS;
    sw_source *source;
    s->loop = sw_loop_new(ctx);
    s->serving = sw_serving_new(s->loop, &options);
    if (sw_source_file(ctx, path, &source) != SW_OK || sw_serving_add(s->serving, "identity", source) != SW_OK ||
        sw_serving_start(s->serving, "127.0.0.1:0", s->address) != SW_OK)
        die("serve");
    pthread_create(&s->thread, NULL, run_loop, s);
    while (!sw_serving_ready(s->serving)) {
        if (sw_serving_outcome(s->serving) != SW_OK)
            die("load");
        usleep(1000);
    }
    remove(path);
}

/* ---- callers ---- */

typedef struct cell {
    const char *name;
    char *request;
    size_t request_size, answer_size; /* whole answers, head and body */
} cell;

static int dial(const char *address)
{
    int fd;
    if (sw_dial(address, 5000, &fd) != SW_OK)
        die("dial");
    return fd;
}

/* One answer's size, learned once: every later one is as long, but for the model's own Date, which has a fixed length.
 */
static size_t first_answer(int fd, const cell *c, char *bytes, size_t room)
{
    size_t size = 0, want = 0;
    if (send(fd, c->request, c->request_size, MSG_NOSIGNAL) != (ssize_t)c->request_size)
        die("send");
    while (want == 0 || size < want) {
        ssize_t n = recv(fd, bytes + size, room - 1 - size, 0);
        if (n <= 0)
            die("answer");
        size += (size_t)n;
        bytes[size] = 0;
        const char *end = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
        if (end && length)
            want = (size_t)(end + 4 - bytes) + strtoul(length + 16, NULL, 10);
    }
    if (strncmp(bytes, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "serve_overhead: %s\n", bytes);
        exit(1);
    }
    return want;
}

typedef struct result {
    double p50, p99, rate; /* us, us, 1/s */
} result;

static uint32_t samples[SAMPLES_MAX]; /* ns */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static result measure(const site *s, const cell *c, int connections, double seconds)
{
    static char bytes[1 << 16];
    struct caller {
        int fd;
        size_t got;
        uint64_t asked;
    } callers[CONNECTIONS_MAX];
    int epoll = epoll_create1(0);
    size_t answer_size = 0, count = 0;
    for (int i = 0; i < connections; i++) {
        callers[i] = (struct caller){.fd = dial(s->address)};
        answer_size = first_answer(callers[i].fd, c, bytes, sizeof bytes);
        epoll_ctl(epoll, EPOLL_CTL_ADD, callers[i].fd, &(struct epoll_event){EPOLLIN, {.u32 = (uint32_t)i}});
    }
    uint64_t begun = sw_now_ns(), end = begun + (uint64_t)(seconds * 1e9), now = begun;
    for (int i = 0; i < connections; i++) {
        callers[i].asked = sw_now_ns();
        send(callers[i].fd, c->request, c->request_size, MSG_NOSIGNAL);
    }
    while (now < end) {
        struct epoll_event events[CONNECTIONS_MAX];
        int ready = connections == 1 ? 1 : epoll_wait(epoll, events, CONNECTIONS_MAX, 1000);
        for (int k = 0; k < ready; k++) {
            struct caller *w = &callers[connections == 1 ? 0 : events[k].data.u32];
            ssize_t n = recv(w->fd, bytes, sizeof bytes, 0);
            if (n <= 0)
                die("answer");
            w->got += (size_t)n;
            if (w->got < answer_size)
                continue;
            now = sw_now_ns();
            if (count < SAMPLES_MAX)
                samples[count++] = (uint32_t)(now - w->asked);
            w->got = 0;
            w->asked = now;
            send(w->fd, c->request, c->request_size, MSG_NOSIGNAL);
        }
    }
    double took = (double)(now - begun) * 1e-9;
    for (int i = 0; i < connections; i++)
        close(callers[i].fd);
    close(epoll);
    qsort(samples, count, sizeof *samples, by_size);
    return (result){samples[count / 2] * 1e-3, samples[count * 99 / 100] * 1e-3, (double)count / took};
}

/* ---- cells ---- */

/* `count` numbers as one row: the request, and as the bare server's answer the model's own. */
static void make_cell(cell *c, const char *name, int count, const site *model, site *bare)
{
    char *body = malloc((size_t)count * 12 + 200), *at = body;
    at += sprintf(at, "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,%d],\"datatype\":\"FP32\",\"data\":[", count);
    for (int i = 0; i < count; i++)
        at += sprintf(at, i ? ",%d.%d" : "%d.%d", i % 10, 1 + i % 9);
    at += sprintf(at, "]}]}");
    c->name = name;
    c->request = malloc((size_t)(at - body) + 200);
    c->request_size = (size_t)sprintf(c->request,
                                      "POST /v2/models/identity/infer HTTP/1.1\r\nHost: localhost\r\n"
                                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                      (size_t)(at - body), body);
    free(body);
    static char bytes[1 << 16];
    int fd = dial(model->address);
    size_t size = first_answer(fd, c, bytes, sizeof bytes);
    close(fd);
    const char *answer = strstr(bytes, "\r\n\r\n") + 4;
    bare->fixed_size = size - (size_t)(answer - bytes);
    bare->fixed = malloc(bare->fixed_size);
    memcpy(bare->fixed, answer, bare->fixed_size);
}

static double median(double *values, int count)
{
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && values[k] < values[k - 1]; k--) {
            double swap = values[k];
            values[k] = values[k - 1];
            values[k - 1] = swap;
        }
    return values[count / 2];
}

static void compare(site *bare, const site *model, const cell *c, int connections, int turns, double seconds)
{
    double v[6][TURNS_MAX] = {{0}}, added[TURNS_MAX] = {0};
    for (int t = 0; t < turns; t++) {
        result b, m;
        if (t % 2) {
            m = measure(model, c, connections, seconds);
            b = measure(bare, c, connections, seconds);
        } else {
            b = measure(bare, c, connections, seconds);
            m = measure(model, c, connections, seconds);
        }
        v[0][t] = b.p50, v[1][t] = b.p99, v[2][t] = b.rate, v[3][t] = m.p50, v[4][t] = m.p99, v[5][t] = m.rate;
        added[t] = m.p50 - b.p50;
    }
    double extra = median(added, turns), least = added[0], most = added[turns - 1];
    printf("%-8s %11d  %8.1f %8.1f %8.0f   %8.1f %8.1f %8.0f   %6.1f  [%.1f %.1f]\n", c->name, connections,
           median(v[0], turns), median(v[1], turns), median(v[2], turns), median(v[3], turns), median(v[4], turns),
           median(v[5], turns), extra, least, most);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int turns = argc > 1 ? atoi(argv[1]) : 7;
    double seconds = argc > 2 ? atof(argv[2]) : 1;
    if (turns < 1 || turns > TURNS_MAX || seconds <= 0) {
        fprintf(stderr, "usage: serve_overhead [TURNS up to %d] [SECONDS]\n", TURNS_MAX);
        return 2;
    }
    sw_context *ctx = sw_context_new(NULL);
    if (!ctx)
        die("context");
    static site bare, model;
    start_model(&model, ctx);
    start_bare(&bare, ctx);
    printf(
        "serve_overhead  slipway %s  %d CPUs  identity model as JSON over HTTP, microseconds; interleaved, %d turns of "
        "%g s\n",
        sw_version(), sw_cpu_count(), turns, seconds);
    printf("%-8s %11s  %8s %8s %8s   %8s %8s %8s   %6s\n", "request", "connections", "bare p50", "p99", "req/s",
           "model p50", "p99", "req/s", "added p50");
    static const struct {
        const char *name;
        int numbers;
    } sizes[] = {{"4 bytes", 1}, {"3 KB", 768}};
    for (int i = 0; i < 2; i++) {
        cell c;
        make_cell(&c, sizes[i].name, sizes[i].numbers, &model, &bare);
        compare(&bare, &model, &c, 1, turns, seconds);
        compare(&bare, &model, &c, 16, turns, seconds);
    }
    sw_loop_stop(bare.loop);
    sw_loop_stop(model.loop);
    pthread_join(bare.thread, NULL);
    pthread_join(model.thread, NULL);
    sw_serving_free(model.serving);
    sw_server_free(bare.server);
    sw_loop_free(model.loop);
    sw_loop_free(bare.loop);
    sw_context_free(ctx);
    return 0;
}
