/* A connection as the loop sees it: readiness, bytes, messages, time.
 *
 * Readiness is edge-triggered and watched from the first byte to the last, so that no system call is spent on
 * switching interest on and off, and a caller who leaves is seen even while nothing is read from him. Received
 * bytes pass through the server's one scratch buffer straight into the message; only what belongs to a later
 * request is kept aside. Time is kept lazily: the timer is armed for the nearest deadline once and, when it
 * fires early, armed again for the one that holds by then. */
#include "net/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS 1000000ull

enum { READS_PER_TURN = 16, TRIM_AFTER_MS = 5000, LINGER_MS = 2000, LOOK_AGAIN_MS = 1000, KEEP_BYTES = 16 << 10 };

static sw_exchange *of_watch(sw_watch *w) { return (sw_exchange *)((char *)w - offsetof(sw_exchange, watch)); }
static sw_exchange *of_timer(sw_timer *t) { return (sw_exchange *)((char *)t - offsetof(sw_exchange, timer)); }
static sw_exchange *of_post(sw_post *p) { return (sw_exchange *)((char *)p - offsetof(sw_exchange, handed_back)); }

bool sw_connection_busy(const sw_exchange *x)
{
    return atomic_load_explicit(&x->state, memory_order_acquire) & CONNECTION_BUSY;
}

static void enter(sw_exchange *x, sw_phase phase)
{
    x->phase = phase;
    x->since = sw_loop_now(x->server->loop);
    x->moved = 0;
}

/* ---- opening and closing ---- */

static void ready(sw_watch *watch, uint32_t events);
static void fire(sw_timer *timer);
static void handed_back(sw_post *post);

static void unlink_connection(sw_exchange *x)
{
    sw_server *server = x->server;
    *(x->previous ? &x->previous->next : &server->connections) = x->next;
    if (x->next)
        x->next->previous = x->previous;
    atomic_fetch_sub_explicit(&server->connection_count, 1, memory_order_relaxed);
}

static void free_memory(sw_exchange *x)
{
    if (x->server->service.own_free)
        x->server->service.own_free(x->server->service.user, x->own);
    sw_tls_end(x->tls);
    close(x->watch.fd);
    sw_http_free(&x->http);
    sw_text_free(&x->stash);
    sw_text_free(&x->body);
    sw_free(x->server->ctx, x);
}

void sw_connection_open(sw_server *server, int fd)
{
    sw_exchange *x = sw_alloc_zero(server->ctx, sizeof *x + server->service.own_bytes);
    if (!x) {
        close(fd);
        return;
    }
    x->server = server;
    x->watch = (sw_watch){fd, ready};
    x->handed_back.run = handed_back;
    sw_http_init(&x->http, server->ctx, server->options.limits);
    sw_text_init(&x->stash, server->ctx);
    sw_text_init(&x->body, server->ctx);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (server->options.tls)
        x->tls = sw_tls_accept(server->options.tls, fd);
    if ((server->options.tls && !x->tls) || sw_loop_timer_add(server->loop, &x->timer, fire) != SW_OK) {
        free_memory(x);
        return;
    }
    if (sw_loop_watch(server->loop, &x->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) != SW_OK) {
        sw_loop_timer_remove(server->loop, &x->timer);
        free_memory(x);
        return;
    }
    x->next = server->connections;
    if (x->next)
        x->next->previous = x;
    server->connections = x;
    atomic_fetch_add_explicit(&server->connection_count, 1, memory_order_relaxed);
    enter(x, x->tls ? PHASE_HEAD : PHASE_IDLE);
    /* The first request often comes with the connection; asking now saves a turn. */
    x->readable = true;
    sw_connection_run(x);
}

void sw_connection_close(sw_exchange *x)
{
    sw_loop_unwatch(x->server->loop, &x->watch);
    sw_loop_timer_remove(x->server->loop, &x->timer);
    unlink_connection(x);
    free_memory(x);
}

/* ---- refusals by the server itself ---- */

static void hold(sw_exchange *x)
{
    x->phase = PHASE_ANSWER;
    x->arrived = sw_loop_now(x->server->loop);
    atomic_store_explicit(&x->left, x->hung_up, memory_order_relaxed);
    atomic_store_explicit(&x->state, CONNECTION_BUSY, memory_order_release);
}

static void refuse(sw_exchange *x, int status, const char *text)
{
    sw_server *server = x->server;
    hold(x);
    x->close_after = true;
    sw_text_clear(&x->body);
    server->service.refuse(server->service.user, &x->body, status, text);
    sw_exchange_reply(x, status, server->service.error_type, NULL);
}

/* ---- messages ---- */

/* False when the service refused the request on sight of its head. */
static bool head_is_welcome(sw_exchange *x)
{
    sw_server *server = x->server;
    int status = server->service.head ? server->service.head(server->service.user, x) : 0;
    if (status) {
        hold(x);
        x->close_after = true;
        sw_exchange_reply(x, status, server->service.error_type, NULL);
        return false;
    }
    enter(x, PHASE_BODY);
    if (x->http.expects_continue && (x->http.chunked || x->http.length > 0))
        sw_reply_continue(x);
    return true;
}

/* Feeds bytes until a request is with the service, or all are taken. How many were taken. */
static size_t feed(sw_exchange *x, const char *bytes, size_t size)
{
    sw_server *server = x->server;
    for (size_t at = 0, used;; at += used) {
        if (at < size && x->phase == PHASE_IDLE)
            enter(x, PHASE_HEAD);
        sw_http_event event = sw_http_feed(&x->http, bytes + at, size - at, &used);
        x->moved += used;
        switch (event) {
        case SW_HTTP_MORE:
            return size;
        case SW_HTTP_HEAD:
            if (!head_is_welcome(x))
                return size;
            break;
        case SW_HTTP_DONE:
            hold(x);
            server->service.request(server->service.user, x);
            if (sw_connection_busy(x) || x->phase != PHASE_IDLE)
                return at + used;
            break;
        case SW_HTTP_BAD:
            atomic_fetch_add_explicit(&server->counts.bad_requests, 1, memory_order_relaxed);
            refuse(x, x->http.status, x->http.error);
            return size;
        }
    }
}

static void feed_stash(sw_exchange *x)
{
    x->stash_at += feed(x, x->stash.data + x->stash_at, x->stash.size - x->stash_at);
    if (x->stash_at == x->stash.size) {
        sw_text_clear(&x->stash);
        x->stash_at = 0;
    }
}

/* ---- bytes ---- */

static void receive(sw_exchange *x)
{
    sw_server *server = x->server;
    char *scratch = (char *)server->scratch;
    ssize_t n = x->tls ? sw_tls_read(x->tls, scratch, sizeof server->scratch)
                       : recv(x->watch.fd, scratch, sizeof server->scratch, 0);
    if (n < 0 && errno == EINTR)
        return;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        x->readable = false;
        return;
    }
    if (n <= 0) {
        x->phase = PHASE_CLOSE;
        return;
    }
    atomic_fetch_add_explicit(&server->counts.bytes_in, (uint64_t)n, memory_order_relaxed);
    /* A short read has emptied the socket: whatever comes later is a new edge. */
    if (!x->tls && !x->hung_up && (size_t)n < sizeof server->scratch)
        x->readable = false;
    if (x->phase == PHASE_LINGER)
        return;
    size_t used = feed(x, scratch, (size_t)n);
    if (used < (size_t)n) {
        sw_text_addn(&x->stash, scratch + used, (size_t)n - used);
        if (x->stash.status != SW_OK)
            x->lost = x->readable = true;
    }
}

/* ---- time ---- */

static uint64_t deadline(const sw_exchange *x)
{
    const sw_server_options *o = &x->server->options;
    uint64_t slack = x->moved / o->bytes_per_ms;
    switch (x->phase) {
    case PHASE_IDLE:
        return x->since + MS * (uint64_t)(x->trimmed || o->idle_ms < TRIM_AFTER_MS ? o->idle_ms : TRIM_AFTER_MS);
    case PHASE_HEAD:
        return x->since + MS * (uint64_t)o->head_ms;
    case PHASE_BODY:
        return x->since + MS * ((uint64_t)o->body_ms + slack);
    case PHASE_WRITE:
        return x->since + MS * ((uint64_t)o->write_ms + slack);
    default:
        return x->since + MS * LINGER_MS;
    }
}

static void arm(sw_exchange *x, uint64_t at)
{
    if (x->timer.slot == 0 || x->timer.at > at)
        sw_loop_timer_set(x->server->loop, &x->timer, at);
}

/* The phase has lasted too long. True when the connection is to be closed now. */
static bool expired(sw_exchange *x)
{
    sw_server *server = x->server;
    if (x->phase == PHASE_IDLE && sw_loop_now(server->loop) < x->since + MS * (uint64_t)server->options.idle_ms) {
        x->trimmed = true;
        sw_http_trim(&x->http, KEEP_BYTES);
        if (x->body.capacity > KEEP_BYTES) {
            sw_text_free(&x->body);
            sw_text_init(&x->body, server->ctx);
        }
        return false;
    }
    if (x->phase == PHASE_IDLE || x->phase == PHASE_LINGER)
        return true;
    atomic_fetch_add_explicit(&server->counts.timeouts, 1, memory_order_relaxed);
    if (x->phase == PHASE_WRITE || (x->tls && !sw_tls_ready(x->tls)))
        return true;
    refuse(x, 408,
           x->phase == PHASE_HEAD ? "the request's head came too slowly" : "the request's body came too slowly");
    return false;
}

static void fire(sw_timer *timer)
{
    sw_exchange *x = of_timer(timer);
    uint64_t now = sw_loop_now(x->server->loop);
    if (sw_connection_busy(x) && !x->writing) {
        arm(x, now + MS * LOOK_AGAIN_MS);
        return;
    }
    if (deadline(x) <= now && expired(x)) {
        x->writing = false;
        atomic_store_explicit(&x->state, 0, memory_order_release);
        sw_connection_close(x);
        return;
    }
    if (sw_connection_busy(x))
        arm(x, x->writing ? deadline(x) : now + MS * LOOK_AGAIN_MS);
    else
        sw_connection_run(x);
}

/* ---- turns ---- */

/* The answer was the last one: the peer shall see its end, and be read on until he has. */
static void say_goodbye(sw_exchange *x)
{
    x->said_goodbye = true;
    if (x->tls)
        sw_tls_goodbye(x->tls);
    shutdown(x->watch.fd, SHUT_WR);
}

void sw_connection_run(sw_exchange *x)
{
    for (int reads = 0;;) {
        if (sw_connection_busy(x)) {
            if (!x->readable && x->stash.size == 0)
                break;
            /* Whoever holds it shall hand it back when done; perhaps that has just happened. */
            if (atomic_fetch_or_explicit(&x->state, CONNECTION_PENDING, memory_order_acq_rel) & CONNECTION_BUSY)
                break;
            atomic_store_explicit(&x->state, 0, memory_order_relaxed);
        }
        if (x->phase == PHASE_CLOSE || x->lost) {
            sw_connection_close(x);
            return;
        }
        if (x->phase == PHASE_LINGER && !x->said_goodbye)
            say_goodbye(x);
        if (x->phase == PHASE_IDLE && atomic_load_explicit(&x->server->closing, memory_order_relaxed)) {
            sw_connection_close(x);
            return;
        }
        if (x->stash.size > 0 && x->phase != PHASE_LINGER) {
            feed_stash(x);
        } else if (!x->readable) {
            break;
        } else if (reads++ == READS_PER_TURN) {
            sw_loop_timer_set(x->server->loop, &x->timer, sw_loop_now(x->server->loop));
            return;
        } else {
            receive(x);
        }
    }
    arm(x, sw_connection_busy(x) ? sw_loop_now(x->server->loop) + MS * LOOK_AGAIN_MS : deadline(x));
}

/* The loop holds the exchange and the socket has room again (or none ever more). */
static void write_on(sw_exchange *x)
{
    if (!sw_reply_write(x))
        return;
    x->writing = false;
    sw_reply_finish(x);
    atomic_store_explicit(&x->state, 0, memory_order_release);
    sw_connection_run(x);
}

static void handed_back(sw_post *post)
{
    sw_exchange *x = of_post(post);
    if (x->phase == PHASE_WRITE) {
        x->writing = true;
        arm(x, deadline(x));
        write_on(x);
        return;
    }
    atomic_store_explicit(&x->state, 0, memory_order_release);
    sw_connection_run(x);
}

static void ready(sw_watch *watch, uint32_t events)
{
    sw_exchange *x = of_watch(watch);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        x->hung_up = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) || (x->tls && !x->writing))
        x->readable = true;
    x->trimmed = false;
    if (x->writing) {
        write_on(x);
        return;
    }
    if (!x->readable)
        return;
    if (!(atomic_fetch_or_explicit(&x->state, CONNECTION_PENDING, memory_order_acq_rel) & CONNECTION_BUSY)) {
        atomic_store_explicit(&x->state, 0, memory_order_relaxed);
        sw_connection_run(x);
        return;
    }
    if (x->hung_up && !atomic_exchange_explicit(&x->left, true, memory_order_acq_rel) && x->server->service.left)
        x->server->service.left(x->server->service.user, x);
}
