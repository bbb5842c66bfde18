/* net/connection.h: a connection's inside, shared by server.c, connection.c and reply.c only.
 *
 * Who may touch a connection is decided by one atomic word. Without BUSY it is the loop's. With BUSY it belongs
 * to the exchange's holder, and the loop may only set PENDING ("look here when you are done") and `left`. The
 * holder gives it back by swapping BUSY for 0; when that fails, PENDING was set, and it posts the connection to
 * the loop instead, BUSY still set, so that nobody can free it in between. */
#ifndef SW_NET_CONNECTION_H
#define SW_NET_CONNECTION_H

#include "net/server.h"

enum { CONNECTION_BUSY = 1, CONNECTION_PENDING = 2 };
enum { SW_LISTENERS_MAX = 4 };

typedef enum sw_phase {
    PHASE_IDLE, /* nothing of a request has come */
    PHASE_HEAD, /* the TLS handshake, or part of a head */
    PHASE_BODY,
    PHASE_ANSWER, /* the service has it */
    PHASE_WRITE,  /* the socket is full: the loop writes the rest */
    PHASE_LINGER, /* answered with a refusal; reads and forgets until the caller has seen it */
    PHASE_CLOSE   /* to be closed by the loop */
} sw_phase;

struct sw_exchange {
    sw_server *server;
    sw_watch watch;
    sw_timer timer;
    sw_post handed_back;
    sw_exchange *previous, *next; /* all connections of the server */
    sw_tls_session *tls;

    atomic_uint state;
    atomic_bool left;
    bool readable;     /* the loop's: bytes or an end may wait in the socket */
    bool hung_up;      /* the loop's: the peer will send no more */
    bool lost;         /* the loop's: bytes of a later request found no memory; ends after this answer */
    bool writing;      /* the loop's: it holds the exchange and waits for room in the socket */
    bool said_goodbye; /* the loop's: our side is shut */
    bool trimmed;      /* the loop's: idle memory was given back */
    sw_phase phase;
    uint64_t since; /* when the phase began */
    uint64_t moved; /* bytes moved in this phase */
    uint64_t arrived;

    sw_http http;
    sw_text stash; /* bytes of later requests, from stash_at on */
    size_t stash_at;
    sw_text body; /* of the answer, as its maker writes it */
    sw_span out;  /* what is sent behind the head: the body, or a fixed text when memory ran out */
    size_t head_size, sent;
    bool close_after;
    char head[512];

    _Alignas(16) unsigned char own[];
};

struct sw_server {
    sw_loop *loop;
    sw_context *ctx;
    sw_server_service service;
    sw_server_options options;
    struct sw_listener {
        sw_watch watch;
        sw_server *server;
        bool paused; /* no descriptors were left */
    } listeners[SW_LISTENERS_MAX];
    int listener_count;
    sw_timer accept_again;
    sw_exchange *connections;
    atomic_int connection_count;
    atomic_bool farewell, closing;
    sw_server_counts counts;
    uint8_t scratch[64 << 10]; /* what was just received, on its way into a message */
};

/* Loop thread. Takes over a connected socket; closes it on failure. */
void sw_connection_open(sw_server *server, int fd);
/* Loop thread, nobody holding it: closes and frees. */
void sw_connection_close(sw_exchange *x);
/* Loop thread, nobody holding it: goes on with whatever is due. The connection may be gone afterwards. */
void sw_connection_run(sw_exchange *x);
bool sw_connection_busy(const sw_exchange *x);

/* Writes what is left; true when the answer is out or the caller is gone (then phase is CLOSE). */
bool sw_reply_write(sw_exchange *x);
/* The answer is out: sets the next phase. For the holder. */
void sw_reply_finish(sw_exchange *x);
void sw_reply_continue(sw_exchange *x);

#endif
