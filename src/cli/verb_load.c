/* verb_load.c: a load generator: the same request again and again, or every picture of a data set once, on several
 * connections.
 *
 * Each connection is a thread that asks, waits for the answer and asks again (a closed loop), or, with --rate, asks
 * when its turn has come: then the time counts from when it should have asked, so that a server that stalls is not
 * excused the requests that could not be sent meanwhile. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/vec.h"
#include "cli/load_data.h"
#include "cli/verbs.h"
#include "net/http.h"
#include "net/listen.h"
#include "net/tls.h"

enum { CONNECT_MS = 5000, ANSWER_SECONDS = 60, BODY_MAX = 64 << 20 };

typedef struct plan {
    sw_context *ctx;
    sw_cancel *cancel;
    const char *host; /* without port, for TLS */
    const char *address;
    sw_tls *tls;
    sw_text request;          /* whole; with a data set only what stands before the content's length */
    cli_questions *questions; /* the data set's pictures; NULL: the same request again and again */
    uint64_t begun, end;      /* ns; end 0: by count only */
    int64_t requests;         /* 0: by time only */
    uint64_t interval;        /* ns between the starts of one connection's requests; 0: closed loop */
    atomic_llong asked;
    pthread_mutex_t lock; /* of the first error's text */
    char trouble[300];
} plan;

typedef struct caller {
    plan *p;
    pthread_t thread;
    int index;
    int fd;
    sw_tls_session *tls;
    sw_http http;
    sw_vec(uint64_t) times; /* ns of each request that was answered 200 */
    int64_t refused[6];     /* by the status's first digit; 0: no answer */
    int64_t right;          /* pictures that were named rightly */
    sw_text request;        /* with a data set: the one being asked */
    bool started;
} caller;

/* ---- one request ---- */

static void note_trouble(plan *p, const char *text, size_t size)
{
    pthread_mutex_lock(&p->lock);
    if (!p->trouble[0])
        snprintf(p->trouble, sizeof p->trouble, "%.*s", size > 250 ? 250 : (int)size, text);
    pthread_mutex_unlock(&p->lock);
}

static void hang_up(caller *w)
{
    sw_tls_end(w->tls);
    w->tls = NULL;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

static sw_status dial(caller *w)
{
    if (w->fd >= 0)
        return SW_OK;
    SW_TRY(sw_dial(w->p->address, CONNECT_MS, &w->fd));
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (w->p->tls && !(w->tls = sw_tls_connect(w->p->tls, w->fd, w->p->host)))
        return SW_IO;
    return SW_OK;
}

static bool send_all(caller *w)
{
    const sw_text *t = w->p->questions ? &w->request : &w->p->request;
    for (size_t at = 0; at < t->size;) {
        ssize_t n = w->tls ? sw_tls_write(w->tls, t->data + at, t->size - at)
                           : send(w->fd, t->data + at, t->size - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* The answer's status; 0 when none came. */
static int hear(caller *w)
{
    char bytes[16 << 10];
    sw_http_reset(&w->http);
    for (;;) {
        ssize_t n = w->tls ? sw_tls_read(w->tls, bytes, sizeof bytes) : recv(w->fd, bytes, sizeof bytes, 0);
        if (n < 0)
            return 0;
        sw_http_event event = n == 0 ? sw_http_end(&w->http) : SW_HTTP_HEAD;
        for (size_t at = 0, used; event == SW_HTTP_HEAD; at += used)
            event = sw_http_feed(&w->http, bytes + at, (size_t)n - at, &used);
        if (event == SW_HTTP_DONE)
            return w->http.status;
        if (event == SW_HTTP_BAD)
            return 0;
    }
}

/* With a data set: the picture as this caller's next request. False when that cannot be made. */
static bool prepare(caller *w, int64_t number)
{
    sw_text_clear(&w->request);
    sw_text_addn(&w->request, w->p->request.data, w->p->request.size);
    if (cli_question_write(w->p->questions, number, &w->request) == SW_OK)
        return true;
    note_trouble(w->p, sw_error_text(), strlen(sw_error_text()));
    w->refused[0]++;
    return false;
}

static void ask(caller *w, int64_t number, uint64_t due)
{
    int status = 0;
    if (dial(w) != SW_OK)
        note_trouble(w->p, sw_error_text(), strlen(sw_error_text()));
    else if (send_all(w))
        status = hear(w);
    uint64_t took = sw_now_ns() - due;
    if (status == 200) {
        if (w->p->questions)
            w->right += cli_question_is_right(w->p->questions, number, w->http.body.data, w->http.body.size);
        if (sw_vec_push(w->p->ctx, &w->times, took) != SW_OK)
            w->refused[0]++;
    } else {
        w->refused[status >= 100 && status < 600 ? status / 100 : 0]++;
        if (status)
            note_trouble(w->p, w->http.body.data, w->http.body.size);
    }
    if (status == 0 || !w->http.keep_alive)
        hang_up(w);
    if (status == 0)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* a server that is away is not asked in a spin */
}

static void *call(void *user)
{
    caller *w = user;
    plan *p = w->p;
    uint64_t due = p->begun + (uint64_t)w->index * (p->interval ? p->interval / 16 : 0);
    while (sw_cancel_check(p->cancel) == SW_OK && (!p->end || sw_now_ns() < p->end)) {
        int64_t number = atomic_fetch_add(&p->asked, 1);
        if (p->requests && number >= p->requests)
            break;
        if (p->questions && !prepare(w, number))
            continue;
        if (p->interval) {
            struct timespec until = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
            ask(w, number, due);
            due += p->interval;
        } else {
            ask(w, number, sw_now_ns());
        }
    }
    hang_up(w);
    return NULL;
}

/* ---- setting up ---- */

static sw_status make_request(cli *c, plan *p)
{
    const char *url = cli_arg(c, 0), *scheme = strstr(url, "://");
    bool secure = strncmp(url, "https://", 8) == 0;
    if (!scheme || (!secure && strncmp(url, "http://", 7) != 0))
        return sw_fail(SW_INVALID, "'%s' is no http or https address", url);
    const char *host = scheme + 3, *path = host + strcspn(host, "/"), *file = cli_text(c, "body");
    const char *port = memchr(host, ':', (size_t)(path - host));
    p->address = cli_format(c, port ? "%.*s" : secure ? "%.*s:443" : "%.*s:80", (int)(path - host), host);
    p->host = cli_format(c, "%.*s", (int)((port ? port : path) - host), host);
    char *body = NULL;
    size_t size = 0;
    if (file)
        SW_TRY(sw_file_read(p->ctx, file, BODY_MAX, &body, &size));
    sw_text_addf(&p->request, "%s %s HTTP/1.1\r\nHost: %.*s\r\n", file || p->questions ? "POST" : "GET",
                 *path ? path : "/", (int)(path - host), host);
    if (p->questions)
        sw_text_add(&p->request, "Content-Type: image/png\r\n");
    else if (file)
        sw_text_addf(&p->request, "Content-Type: %s\r\nContent-Length: %zu\r\n", cli_text(c, "type"), size);
    if (!p->questions) {
        sw_text_add(&p->request, "\r\n");
        sw_text_addn(&p->request, body, size);
    }
    sw_free(p->ctx, body);
    if (secure && !(p->tls = sw_tls_new_client(p->ctx, cli_text(c, "tls-ca"))))
        return SW_INVALID;
    return p->request.status;
}

/* ---- the result ---- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double at_quantile(const uint64_t *times, size_t count, double q)
{
    return count ? (double)times[(size_t)fmin((double)count - 1, floor(q * (double)count))] * 1e-6 : 0;
}

static int report(cli *c, const plan *p, const caller *callers, int count, double seconds)
{
    sw_vec(uint64_t) all = {0};
    int64_t refused[6] = {0}, failures = 0, right = 0;
    for (int i = 0; i < count; i++) {
        if (sw_vec_reserve(p->ctx, &all, callers[i].times.count + 1) != SW_OK)
            return cli_fail(c, sw_alloc_status());
        for (size_t k = 0; k < callers[i].times.count; k++)
            all.items[all.count++] = callers[i].times.items[k];
        for (int k = 0; k < 6; k++)
            refused[k] += callers[i].refused[k];
        right += callers[i].right;
    }
    for (int k = 0; k < 6; k++)
        failures += refused[k];
    qsort(all.items, all.count, sizeof *all.items, by_size);
    const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    static const char *const names[] = {"p50_ms", "p90_ms", "p99_ms", "p999_ms"};
    double rate = seconds > 0 ? (double)all.count / seconds : 0;
    if (cli_json(c)) {
        sw_json_writer *json = cli_json_begin(c, '{');
        sw_json_int(json, "requests", (int64_t)all.count);
        sw_json_int(json, "failures", failures);
        sw_json_int(json, "connections", count);
        sw_json_double(json, "seconds", seconds);
        sw_json_double(json, "requests_per_second", rate);
        for (int i = 0; i < 4; i++)
            sw_json_double(json, names[i], at_quantile(all.items, all.count, quantiles[i]));
        sw_json_double(json, "max_ms", at_quantile(all.items, all.count, 1));
        if (p->questions)
            sw_json_double(json, "accuracy", (double)right / fmax(1, (double)all.count));
    } else {
        if (p->questions)
            printf("served-accuracy: %.4f (%zu requests)\n", (double)right / fmax(1, (double)all.count), all.count);
        printf("%zu answered, %lld not, %.1f per second on %d connections\n", all.count, (long long)failures, rate,
               count);
        printf("milliseconds: p50 %.3f, p90 %.3f, p99 %.3f, p99.9 %.3f, max %.3f\n",
               at_quantile(all.items, all.count, 0.5), at_quantile(all.items, all.count, 0.9),
               at_quantile(all.items, all.count, 0.99), at_quantile(all.items, all.count, 0.999),
               at_quantile(all.items, all.count, 1));
    }
    if (failures)
        fprintf(stderr, "slipway load: not answered: %lld; 3xx: %lld, 4xx: %lld, 5xx: %lld; the first: %s\n",
                (long long)refused[0], (long long)refused[3], (long long)refused[4], (long long)refused[5], p->trouble);
    sw_vec_free(p->ctx, &all);
    int code = cli_json(c) ? cli_json_done(c, '}') : 0;
    return code ? code : failures > 0;
}

static int run(cli *c)
{
    if (!cli_context(c))
        return cli_fail(c, SW_NO_MEMORY);
    plan p = {.ctx = cli_context(c), .cancel = cli_cancel(c), .requests = cli_int(c, "requests")};
    int count = (int)cli_int(c, "connections");
    double rate = cli_number(c, "rate");
    p.interval = rate > 0 ? (uint64_t)(1e9 * count / rate) : 0;
    pthread_mutex_init(&p.lock, NULL);
    sw_text_init(&p.request, p.ctx);
    sw_status status = cli_text(c, "data") ? cli_questions_open(c, cli_text(c, "data"), &p.questions) : SW_OK;
    if (p.questions)
        p.requests = cli_question_count(p.questions);
    if (status == SW_OK)
        status = make_request(c, &p);
    caller *callers = status == SW_OK ? sw_alloc_zero(p.ctx, sizeof *callers * (size_t)count) : NULL;
    if (status == SW_OK && !callers)
        status = sw_alloc_status();
    p.begun = sw_now_ns();
    if (!p.requests || cli_given(c, "seconds"))
        p.end = p.begun + (uint64_t)(cli_number(c, "seconds") * 1e9);
    for (int i = 0; status == SW_OK && i < count; i++) {
        callers[i] = (caller){.p = &p, .index = i, .fd = -1};
        sw_text_init(&callers[i].request, p.ctx);
        sw_http_init(&callers[i].http, p.ctx, SW_HTTP_LIMITS_DEFAULT);
        callers[i].http.responses = true;
        callers[i].started = pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0;
    }
    for (int i = 0; status == SW_OK && i < count; i++)
        if (callers[i].started)
            pthread_join(callers[i].thread, NULL);
    int code =
        status == SW_OK ? report(c, &p, callers, count, (double)(sw_now_ns() - p.begun) * 1e-9) : cli_fail(c, status);
    for (int i = 0; status == SW_OK && i < count; i++) {
        sw_http_free(&callers[i].http);
        sw_text_free(&callers[i].request);
        sw_vec_free(p.ctx, &callers[i].times);
    }
    sw_free(p.ctx, callers);
    cli_questions_close(p.questions);
    sw_text_free(&p.request);
    sw_tls_free(p.tls);
    pthread_mutex_destroy(&p.lock);
    return code;
}

static const cli_option options[] = {
    {.name = "connections",
     .letter = 'n',
     .type = CLI_INT,
     .argument = "N",
     .standard = "1",
     .low = 1,
     .high = 1024,
     .help = "connections at once, each asking again when it has its answer"},
    {.name = "seconds",
     .type = CLI_NUMBER,
     .argument = "S",
     .standard = "10",
     .low = 0.01,
     .high = 86400,
     .help = "for how long"},
    {.name = "requests",
     .type = CLI_INT,
     .argument = "N",
     .standard = "0",
     .low = 0,
     .high = 1000000000,
     .help = "so many requests in all; 0: by time"},
    {.name = "rate",
     .type = CLI_NUMBER,
     .argument = "R",
     .standard = "0",
     .low = 0,
     .high = 1000000,
     .help = "requests per second over all connections; 0: as fast as answers come"},
    {.name = "body",
     .type = CLI_TEXT,
     .argument = "FILE",
     .flag_only = true,
     .help = "sent with POST; without it the request is a GET"},
    {.name = "data",
     .type = CLI_TEXT,
     .argument = "NAME:SPLIT",
     .flag_only = true,
     .help = "instead: each picture of a data set once, and how many were named rightly"},
    {.name = "data-folder",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .environment = "SLIPWAY_DATA_FOLDER",
     .help = "where the files of a known data set lie"},
    {.name = "type",
     .type = CLI_TEXT,
     .argument = "TYPE",
     .standard = "application/json",
     .help = "the body's content type"},
    {.name = "tls-ca",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "certificate authorities (PEM) to trust instead of the system's"},
    {0},
};

const cli_verb cli_verb_load = {
    .name = "load",
    .arguments = "URL",
    .help = "measure a server under load",
    .details =
        "Sends the same request again and again and tells how long the answers took, and how many came. Exit code 1 "
        "when any request was not answered with 200.\n\nWith --data every picture of a data set is sent once, as PNG, "
        "to an "
        "address like http://127.0.0.1:8000/v1/predict/fashion, and the first name in the answer is compared with "
        "the picture's.",
    .example = "slipway load http://127.0.0.1:8000/v1/predict/fashion --body shoe.png --type image/png -n 16",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run,
};
