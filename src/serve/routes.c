/* What an address and a method mean.
 *
 *   GET  /v2/health/live  /v2/health/ready  /v2  /metrics
 *   GET  /v2/models/M[/versions/V]  …/ready
 *   POST /v2/models/M[/versions/V]/infer          Open Inference Protocol v2, JSON
 *   POST /v1/predict/M[?top=K]                    a picture
 *
 * Runs on the loop's thread. Whatever needs no model is answered here; a question to a model becomes a request,
 * holds the current version from here on and goes to the scheduler. Names of what is inside never appear in an
 * answer. */
#include <stdio.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/inside.h"

/* Bodies up to these sizes are read on the loop's thread (some tens of microseconds); larger ones on a lane. */
enum { SMALL_TENSORS = 8 << 10, SMALL_PICTURE = 2 << 10 };
/* From here on a body is looked at before it is sent. */
enum { LARGE_BODY = 64 << 10 };

typedef enum route_kind {
    ROUTE_NONE,
    ROUTE_LIVE,
    ROUTE_READY,
    ROUTE_SERVER,
    ROUTE_METRICS,
    ROUTE_MODEL,
    ROUTE_MODEL_READY,
    ROUTE_INFER,
    ROUTE_PICTURE
} route_kind;

typedef struct route {
    route_kind kind;
    bool post;
    sw_span model, version, query;
} route;

/* ---- addresses ---- */

/* The next piece of a path, which begins behind its slash. */
static sw_span piece(sw_span *path)
{
    const char *slash = path->size ? memchr(path->at, '/', path->size) : NULL;
    size_t size = slash ? (size_t)(slash - path->at) : path->size, taken = slash ? size + 1 : size;
    sw_span result = {path->at, size};
    *path = (sw_span){path->at + taken, path->size - taken};
    return result;
}

static route read_model_route(sw_span path)
{
    route r = {.kind = ROUTE_MODEL, .model = piece(&path)};
    sw_span next = piece(&path);
    if (sw_span_is(next, "versions")) {
        r.version = piece(&path);
        if (r.version.size == 0)
            return (route){0};
        next = piece(&path);
    }
    if (sw_span_is(next, "ready"))
        r.kind = ROUTE_MODEL_READY;
    else if (sw_span_is(next, "infer"))
        r.kind = ROUTE_INFER;
    else if (next.size > 0)
        return (route){0};
    r.post = r.kind == ROUTE_INFER;
    return path.size == 0 && r.model.size > 0 ? r : (route){0};
}

static route read_route(const sw_http *m)
{
    sw_span path = m->target, query = {0};
    /* "http://host/v2", as proxies write it, means "/v2" (RFC 9112 §3.2.2). */
    const char *host = path.size > 8 && path.at[0] == 'h' ? memmem(path.at, 9, "://", 3) : NULL;
    if (host) {
        const char *slash = memchr(host + 3, '/', (size_t)(path.at + path.size - host - 3));
        path = slash ? (sw_span){slash, (size_t)(path.at + path.size - slash)} : (sw_span){0};
    }
    if (path.size == 0 || path.at[0] != '/')
        return (route){0};
    const char *mark = memchr(path.at, '?', path.size);
    if (mark) {
        query = (sw_span){mark + 1, (size_t)(path.at + path.size - mark - 1)};
        path.size = (size_t)(mark - path.at);
    }
    route r = {0};
    if (sw_span_is(path, "/v2/health/live"))
        r.kind = ROUTE_LIVE;
    else if (sw_span_is(path, "/v2/health/ready"))
        r.kind = ROUTE_READY;
    else if (sw_span_is(path, "/v2") || sw_span_is(path, "/v2/"))
        r.kind = ROUTE_SERVER;
    else if (sw_span_is(path, "/metrics"))
        r.kind = ROUTE_METRICS;
    else if (path.size > 11 && memcmp(path.at, "/v2/models/", 11) == 0)
        r = read_model_route((sw_span){path.at + 11, path.size - 11});
    else if (path.size > 12 && memcmp(path.at, "/v1/predict/", 12) == 0 && !memchr(path.at + 12, '/', path.size - 12))
        r = (route){.kind = ROUTE_PICTURE, .post = true, .model = {path.at + 12, path.size - 12}};
    r.query = query;
    return r;
}

static bool method_fits(const route *r, sw_http_method method)
{
    return r->post ? method == SW_HTTP_POST : method == SW_HTTP_GET || method == SW_HTTP_HEAD_METHOD;
}

/* ---- answers that need no model ---- */

static void say_error(sw_exchange *x, int status, const char *headers, const char *format, ...) SW_PRINTF(4, 5);
static void say_error(sw_exchange *x, int status, const char *headers, const char *format, ...)
{
    char text[SW_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sw_text *body = sw_exchange_body(x);
    sw_text_clear(body);
    sw_error_write(body, text);
    sw_exchange_reply(x, status, "application/json", headers);
}

static void say_ready(sw_serving *s, sw_exchange *x)
{
    bool ready = sw_serving_ready(s);
    sw_text_add(sw_exchange_body(x), ready ? "{\"ready\":true}" : "{\"ready\":false}");
    sw_exchange_reply(x, ready ? 200 : 503, "application/json", NULL);
}

static void say_server(sw_exchange *x)
{
    sw_text_addf(sw_exchange_body(x), "{\"name\":\"slipway\",\"version\":\"%s\",\"extensions\":[\"parameters\"]}",
                 sw_version());
    sw_exchange_reply(x, 200, "application/json", NULL);
}

static void write_ports(sw_json_writer *json, const char *key, const sw_port *ports, int count)
{
    sw_json_open(json, key, '[');
    for (int i = 0; i < count; i++) {
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "name", ports[i].name);
        sw_json_string(json, "datatype", sw_datatype_name(ports[i].dtype));
        sw_json_open(json, "shape", '[');
        for (int d = 0; d < ports[i].dims.rank; d++)
            sw_json_int(json, NULL, ports[i].dims.dim[d] < 0 ? -1 : ports[i].dims.dim[d]);
        sw_json_close(json, ']');
        sw_json_close(json, '}');
    }
    sw_json_close(json, ']');
}

static void say_model(sw_exchange *x, const sw_model *m)
{
    const sw_servable *v = m->current->servable;
    sw_json_writer json;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)v->version);
    sw_json_begin(&json, sw_exchange_body(x), false);
    sw_json_open(&json, NULL, '{');
    sw_json_string(&json, "name", m->name);
    sw_json_open(&json, "versions", '[');
    sw_json_string(&json, NULL, number);
    sw_json_close(&json, ']');
    sw_json_string(&json, "platform", v->platform);
    write_ports(&json, "inputs", v->inputs, v->input_count);
    write_ports(&json, "outputs", v->outputs, v->output_count);
    if (v->class_count > 0) {
        sw_json_open(&json, "classes", '[');
        for (int i = 0; i < v->class_count; i++)
            sw_json_string(&json, NULL, v->classes[i]);
        sw_json_close(&json, ']');
    }
    sw_json_close(&json, '}');
    sw_exchange_reply(x, 200, "application/json", NULL);
}

static void say_model_ready(sw_serving *s, sw_exchange *x, const sw_model *m)
{
    bool ready = m->current && !atomic_load_explicit(&s->draining, memory_order_relaxed);
    sw_text_addf(sw_exchange_body(x), "{\"name\":\"%s\",\"ready\":%s}", m->name, ready ? "true" : "false");
    sw_exchange_reply(x, ready ? 200 : 503, "application/json", NULL);
}

/* ---- questions to a model ---- */

/* The time that the caller gives, or the server's own where that is less. */
static bool read_deadline(sw_serving *s, sw_request *r, const sw_http *m)
{
    uint64_t ms = (uint64_t)s->options.timeout_ms, asked;
    const sw_span *header = sw_http_header_get(m, "x-request-timeout-ms");
    if (header) {
        if (!sw_span_u64(*header, &asked) || asked == 0)
            return false;
        ms = ms == 0 || asked < ms ? asked : ms;
    }
    if (ms > 0 && ms < UINT64_MAX / 2000000)
        r->deadline = r->arrived + ms * 1000000;
    return true;
}

static int read_top(sw_span query)
{
    uint64_t top;
    for (size_t at = 0; at + 4 < query.size; at++)
        if ((at == 0 || query.at[at - 1] == '&') && memcmp(query.at + at, "top=", 4) == 0) {
            const char *end = memchr(query.at + at, '&', query.size - at);
            sw_span value = {query.at + at + 4, (size_t)((end ? end : query.at + query.size) - query.at) - at - 4};
            if (sw_span_u64(value, &top) && top > 0 && top < 1000000)
                return (int)top;
        }
    return 5;
}

static bool is_type(const sw_http *m, const char *type)
{
    const sw_span *value = sw_http_header_get(m, "content-type");
    return value && value->size >= strlen(type) && sw_span_is_nocase((sw_span){value->at, strlen(type)}, type);
}

static sw_status read_tensors(sw_request *r)
{
    const sw_http *http = sw_exchange_request(r->exchange);
    return sw_infer_read(r, r->version->servable, http->body.data, http->body.size);
}

static sw_status read_picture(sw_request *r)
{
    const sw_http *http = sw_exchange_request(r->exchange);
    return sw_picture_read(r, r->version->servable, http->body.data, http->body.size);
}

static void ask(sw_serving *s, sw_exchange *x, const route *at, sw_model *m)
{
    const sw_http *http = sw_exchange_request(x);
    sw_request *r = sw_exchange_own(x);
    sw_request_reset(r);
    r->ctx = s->ctx;
    r->exchange = x;
    r->arrived = sw_exchange_arrived(x);
    r->model = m;
    r->version = sw_loaded_retain(m->current);
    r->picture = at->kind == ROUTE_PICTURE;
    r->top = r->picture ? read_top(at->query) : 0;
    r->read = r->picture ? read_picture : read_tensors;
    sw_status status = SW_OK;
    const sw_span *encoding = sw_http_header_get(http, "content-encoding");
    if (encoding && !sw_span_is_nocase(*encoding, "identity"))
        status = sw_fail(SW_UNSUPPORTED, "Content-Encoding '%.*s' is not taken here; send the body as it is",
                         encoding->size > 20 ? 20 : (int)encoding->size, encoding->at);
    else if (!read_deadline(s, r, http))
        status = sw_fail(SW_INVALID, "X-Request-Timeout-Ms is a whole number of milliseconds, from 1");
    else if (!r->picture &&
             (sw_http_header_get(http, "inference-header-content-length") || is_type(http, "application/octet-stream")))
        status = sw_fail(SW_UNSUPPORTED, "the binary tensor extension is not spoken here; send JSON");
    else if (http->body.size <= (r->picture ? SMALL_PICTURE : SMALL_TENSORS)) {
        status = r->read(r);
        r->read = NULL;
    }
    if (status == SW_OK)
        sw_scheduler_submit(s->scheduler, r);
    else
        sw_request_refuse(r, status);
}

static sw_model *find_model(const sw_serving *s, sw_span name)
{
    for (int i = 0; i < s->model_count; i++)
        if (sw_span_is(name, s->models[i]->name))
            return s->models[i];
    return NULL;
}

/* False when it has been answered: no such model, none yet, or not that version. */
static bool find_version(sw_exchange *x, const route *r, sw_model *m)
{
    uint64_t number;
    if (!m->current) {
        sw_count(&m->metrics.refused[SW_REFUSED_LOADING], 1);
        say_error(x, 503, "Retry-After: 1\r\n", "model '%s' is being loaded", m->name);
        return false;
    }
    if (r->version.size == 0 || (sw_span_u64(r->version, &number) && (int64_t)number == m->current->servable->version))
        return true;
    say_error(x, 404, NULL, "model '%s' has no version '%.*s' here; version %lld is served", m->name,
              r->version.size > 20 ? 20 : (int)r->version.size, r->version.at,
              (long long)m->current->servable->version);
    return false;
}

static void on_model(sw_serving *s, sw_exchange *x, const route *r)
{
    sw_model *m = find_model(s, r->model);
    if (!m)
        say_error(x, 404, NULL, "no model '%.*s' is served here", r->model.size > 128 ? 128 : (int)r->model.size,
                  r->model.at);
    else if (r->kind == ROUTE_MODEL_READY && r->version.size == 0)
        say_model_ready(s, x, m);
    else if (!find_version(x, r, m))
        return;
    else if (r->kind == ROUTE_MODEL)
        say_model(x, m);
    else if (r->kind == ROUTE_MODEL_READY)
        say_model_ready(s, x, m);
    else
        ask(s, x, r, m);
}

/* ---- the service ---- */

static void on_request(void *user, sw_exchange *x)
{
    sw_serving *s = user;
    const sw_http *http = sw_exchange_request(x);
    route r = read_route(http);
    if (r.kind != ROUTE_NONE && !method_fits(&r, http->method)) {
        say_error(x, 405, r.post ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n", "this address takes %s",
                  r.post ? "POST" : "GET");
        return;
    }
    switch (r.kind) {
    case ROUTE_NONE:
        say_error(x, 404, NULL, "nothing is served at this address");
        break;
    case ROUTE_LIVE:
        sw_text_add(sw_exchange_body(x), "{\"live\":true}");
        sw_exchange_reply(x, 200, "application/json", NULL);
        break;
    case ROUTE_READY:
        say_ready(s, x);
        break;
    case ROUTE_SERVER:
        say_server(x);
        break;
    case ROUTE_METRICS:
        sw_metrics_page(s, sw_exchange_body(x));
        sw_exchange_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", NULL);
        break;
    default:
        on_model(s, x, &r);
    }
}

/* A large body for nobody is refused before it is sent. */
static int on_head(void *user, sw_exchange *x)
{
    sw_serving *s = user;
    const sw_http *http = sw_exchange_request(x);
    if (!http->expects_continue && !http->chunked && http->length < LARGE_BODY)
        return 0;
    route r = read_route(http);
    bool known = r.kind != ROUTE_NONE && (r.model.size == 0 || find_model(s, r.model));
    if (known && method_fits(&r, http->method))
        return 0;
    sw_error_write(sw_exchange_body(x),
                   known ? "this address takes another method" : "nothing is served at this address");
    return known ? 405 : 404;
}

static void on_left(void *user, sw_exchange *x)
{
    sw_serving *s = user;
    sw_scheduler_left(s->scheduler, sw_exchange_own(x));
}

static void on_refuse(void *user, sw_text *body, int status, const char *text)
{
    (void)user;
    (void)status;
    sw_error_write(body, text);
}

static void own_free(void *user, void *own)
{
    (void)user;
    sw_request_free(own);
}

sw_server_service sw_routes_service(sw_serving *serving)
{
    return (sw_server_service){.user = serving,
                               .own_bytes = sizeof(sw_request),
                               .own_free = own_free,
                               .head = on_head,
                               .request = on_request,
                               .left = on_left,
                               .refuse = on_refuse,
                               .error_type = "application/json"};
}
