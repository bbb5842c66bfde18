/* net/server.h: an HTTP server whose answers may be written by any thread.
 *
 * The loop's thread accepts, reads and parses. When a request is complete it becomes an exchange and is handed to
 * the service, whose job it is to end every exchange exactly once, at any time and from any thread, with
 * sw_exchange_reply or sw_exchange_drop. Until then the exchange belongs to whoever holds it, and the loop only
 * watches whether the caller is still there. Requests that are pipelined wait in order: a connection has one
 * exchange at a time.
 *
 * A caller who half-closes while his answer is being made counts as gone (as with other proxies and servers):
 * a socket cannot tell the two apart. Everything has a limit: bytes, headers, chunks, connections, and time for
 * each phase (a slow sender or reader gets a grace plus time in proportion to what did move).
 * Uses: net/loop.h, net/http.h, net/tls.h. */
#ifndef SW_NET_SERVER_H
#define SW_NET_SERVER_H

#include "net/http.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/tls.h"

typedef struct sw_server sw_server;
typedef struct sw_exchange sw_exchange;

typedef struct sw_server_service {
    void *user;
    /* Memory of the service's own beside each connection, zeroed; released with the connection. */
    size_t own_bytes;
    void (*own_free)(void *user, void *own); /* may be NULL */
    /* Loop thread: the head has arrived (its body not yet). 0 to go on, or the status of a refusal whose text is
     * put into sw_exchange_body as the service's errors are. May be NULL. */
    int (*head)(void *user, sw_exchange *exchange);
    /* Loop thread: the request is complete. */
    void (*request)(void *user, sw_exchange *exchange);
    /* Loop thread: the caller of an exchange that is still open has left. The exchange still has to be ended, by
     * its holder. May be NULL. */
    void (*left)(void *user, sw_exchange *exchange);
    /* Loop thread: writes the body of a refusal by the server itself (a malformed head, a time-out, …). */
    void (*refuse)(void *user, sw_text *body, int status, const char *text);
    const char *error_type; /* content type of such bodies */
} sw_server_service;

typedef struct sw_server_options {
    sw_http_limits limits;
    int connections;       /* most at once; more are answered 503 and closed */
    int head_ms, idle_ms;  /* for a whole head; between requests */
    int body_ms, write_ms; /* grace for a body, an answer … */
    size_t bytes_per_ms;   /* … plus a millisecond for each so many bytes that moved */
    sw_tls *tls;           /* NULL: plain; borrowed */
} sw_server_options;

#define SW_SERVER_DEFAULTS                                                                                             \
    ((sw_server_options){.limits = SW_HTTP_LIMITS_DEFAULT,                                                             \
                         .connections = 4096,                                                                          \
                         .head_ms = 10000,                                                                             \
                         .idle_ms = 75000,                                                                             \
                         .body_ms = 20000,                                                                             \
                         .write_ms = 20000,                                                                            \
                         .bytes_per_ms = 64})

typedef struct sw_server_counts {
    atomic_uint_fast64_t accepted, refused; /* connections; refused: over the limit */
    atomic_uint_fast64_t bytes_in, bytes_out;
    atomic_uint_fast64_t bad_requests, timeouts;
} sw_server_counts;

sw_server *sw_server_new(sw_loop *loop, const sw_server_service *service, const sw_server_options *options);
/* Closes everything at once. No exchange may be open; the loop must not be running. NULL is allowed. */
void sw_server_free(sw_server *server);

sw_status sw_server_listen(sw_server *server, const char *address, char bound[SW_ADDRESS_MAX]);

/* From now on every answer says "Connection: close". Any thread. */
void sw_server_farewell(sw_server *server);
/* Loop thread: accepts nobody any more and closes connections without an exchange; the others close when theirs has
 * ended. */
void sw_server_close(sw_server *server);
int sw_server_connections(const sw_server *server); /* any thread */
sw_server_counts *sw_server_count(sw_server *server);

/* ---- an exchange, for its holder ---- */

const sw_http *sw_exchange_request(const sw_exchange *exchange);
void *sw_exchange_own(const sw_exchange *exchange);
/* The text of the answer's body, empty at first; sent by sw_exchange_reply. */
sw_text *sw_exchange_body(sw_exchange *exchange);
/* When the request was complete (ns, CLOCK_MONOTONIC). */
uint64_t sw_exchange_arrived(const sw_exchange *exchange);
/* True when the caller is known to have left. */
bool sw_exchange_left(const sw_exchange *exchange);

/* Sends status, headers and the body's text. `headers` is NULL or complete lines ("Retry-After: 1\r\n"), at most 200
 * bytes. When the body's text ran out of memory, a 503 is sent in its place. Afterwards the exchange must not be
 * touched. */
void sw_exchange_reply(sw_exchange *exchange, int status, const char *content_type, const char *headers);
/* Ends it without an answer and closes the connection: for callers who left. */
void sw_exchange_drop(sw_exchange *exchange);

#endif
