/* Accepting, counting, and closing down. */
#include "net/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/connection.h"

enum { ACCEPTS_PER_TURN = 64, ACCEPT_AGAIN_MS = 100 };

static struct sw_listener *of_watch(sw_watch *w)
{
    return (struct sw_listener *)((char *)w - offsetof(struct sw_listener, watch));
}

static void accept_again(sw_timer *timer)
{
    sw_server *server = (sw_server *)((char *)timer - offsetof(sw_server, accept_again));
    for (int i = 0; i < server->listener_count; i++) {
        struct sw_listener *l = &server->listeners[i];
        if (l->paused && sw_loop_rewatch(server->loop, &l->watch, EPOLLIN) == SW_OK)
            l->paused = false;
    }
}

sw_server *sw_server_new(sw_loop *loop, const sw_server_service *service, const sw_server_options *options)
{
    sw_context *ctx = sw_loop_context(loop);
    sw_server *server = sw_alloc_zero(ctx, sizeof *server);
    if (!server)
        return NULL;
    server->loop = loop;
    server->ctx = ctx;
    server->service = *service;
    server->options = *options;
    if (sw_loop_timer_add(loop, &server->accept_again, accept_again) != SW_OK) {
        sw_free(ctx, server);
        return NULL;
    }
    return server;
}

static void stop_listening(sw_server *server)
{
    for (int i = 0; i < server->listener_count; i++) {
        sw_loop_unwatch(server->loop, &server->listeners[i].watch);
        close(server->listeners[i].watch.fd);
    }
    server->listener_count = 0;
}

void sw_server_free(sw_server *server)
{
    if (!server)
        return;
    stop_listening(server);
    while (server->connections)
        sw_connection_close(server->connections);
    sw_loop_timer_remove(server->loop, &server->accept_again);
    sw_free(server->ctx, server);
}

/* Over the limit: a fixed answer into an empty socket, which has room for it. */
static void turn_away(sw_server *server, int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 32\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
                                 "{\"error\":\"too many connections\"}";
    atomic_fetch_add_explicit(&server->counts.refused, 1, memory_order_relaxed);
    if (!server->options.tls) {
        ssize_t n = send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)n;
        shutdown(fd, SHUT_WR);
    }
    close(fd);
}

static void accept_ready(sw_watch *watch, uint32_t events)
{
    (void)events;
    struct sw_listener *l = of_watch(watch);
    sw_server *server = l->server;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            /* Callers wait in the backlog until descriptors come back; watching on would spin. */
            if (sw_loop_rewatch(server->loop, watch, 0) == SW_OK)
                l->paused = true;
            sw_loop_timer_set(server->loop, &server->accept_again,
                              sw_loop_now(server->loop) + ACCEPT_AGAIN_MS * 1000000ull);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0)
            continue; /* this caller has already gone (ECONNABORTED and the like) */
        if (sw_server_connections(server) >= server->options.connections) {
            turn_away(server, fd);
            continue;
        }
        atomic_fetch_add_explicit(&server->counts.accepted, 1, memory_order_relaxed);
        sw_connection_open(server, fd);
    }
}

sw_status sw_server_listen(sw_server *server, const char *address, char bound[SW_ADDRESS_MAX])
{
    if (server->listener_count == SW_LISTENERS_MAX)
        return sw_fail(SW_INVALID, "at most %d addresses to listen on", SW_LISTENERS_MAX);
    int fd;
    SW_TRY(sw_listen(address, &fd, bound));
    struct sw_listener *l = &server->listeners[server->listener_count];
    *l = (struct sw_listener){.watch = {fd, accept_ready}, .server = server};
    sw_status status = sw_loop_watch(server->loop, &l->watch, EPOLLIN);
    if (status != SW_OK) {
        close(fd);
        return status;
    }
    server->listener_count++;
    return SW_OK;
}

void sw_server_farewell(sw_server *server) { atomic_store_explicit(&server->farewell, true, memory_order_relaxed); }

void sw_server_close(sw_server *server)
{
    sw_server_farewell(server);
    atomic_store_explicit(&server->closing, true, memory_order_relaxed);
    stop_listening(server);
    for (sw_exchange *x = server->connections, *next; x; x = next) {
        next = x->next;
        if (!sw_connection_busy(x) && x->phase == PHASE_IDLE)
            sw_connection_close(x);
    }
}

int sw_server_connections(const sw_server *server)
{
    return atomic_load_explicit(&server->connection_count, memory_order_relaxed);
}

sw_server_counts *sw_server_count(sw_server *server) { return &server->counts; }
