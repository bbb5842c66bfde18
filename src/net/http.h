/* net/http.h: HTTP/1.x as a state machine: bytes in, events out. It knows no sockets.
 *
 * A machine reads one message after another from a stream of bytes that may be cut anywhere. It owns the head
 * and the body it collects; both keep their memory from one message to the next, so a connection that repeats
 * itself stops allocating. The grammar of the head is read by a library (llhttp or http-parser); the framing,
 * which is where requests are smuggled, is read here and accepts one meaning only: exactly one Content-Length,
 * or exactly "chunked", never both; no folded lines; CRLF and nothing else at the end of a line.
 * Not thread-safe. Uses: base/text.h. */
#ifndef SW_NET_HTTP_H
#define SW_NET_HTTP_H

#include "base/text.h"

#define SW_HTTP_HEADERS_MAX 100

typedef struct sw_http_limits {
    size_t head_bytes; /* request line and headers */
    size_t body_bytes;
    size_t chunks; /* per message */
} sw_http_limits;

#define SW_HTTP_LIMITS_DEFAULT ((sw_http_limits){.head_bytes = 16 << 10, .body_bytes = 64 << 20, .chunks = 65536})

typedef enum sw_http_event {
    SW_HTTP_MORE, /* everything was taken; the message goes on */
    SW_HTTP_HEAD, /* the head is complete: look at it, then feed on */
    SW_HTTP_DONE, /* the message is complete; sw_http_reset before the next */
    SW_HTTP_BAD   /* not acceptable: m->status and m->error say why. The stream cannot be used further. */
} sw_http_event;

typedef enum sw_http_method { SW_HTTP_OTHER, SW_HTTP_GET, SW_HTTP_HEAD_METHOD, SW_HTTP_POST } sw_http_method;

/* A piece of the head; not NUL-terminated. */
typedef struct sw_span {
    const char *at;
    size_t size;
} sw_span;

typedef struct sw_http_header {
    sw_span name, value; /* value without surrounding blanks */
} sw_http_header;

typedef struct sw_http {
    sw_context *ctx;
    sw_http_limits limits;
    bool responses; /* reads answers instead of requests */
    bool no_body;   /* set before feeding an answer to HEAD */

    /* Valid from SW_HTTP_HEAD until sw_http_reset. */
    sw_http_method method;
    sw_span target;  /* "/v2/models/m/infer?x=1" as sent */
    int status;      /* an answer's status; after SW_HTTP_BAD: the status to answer with */
    int minor;       /* HTTP/1.<minor> */
    bool keep_alive; /* the sender can take another message on this stream */
    bool expects_continue;
    bool has_length; /* Content-Length was given */
    uint64_t length;
    bool chunked;
    int header_count;
    sw_http_header headers[SW_HTTP_HEADERS_MAX];

    sw_text body; /* complete at SW_HTTP_DONE; NUL behind it when not empty */
    char error[160];

    /* Inside. */
    int state;
    sw_text head;
    size_t scanned;
    uint64_t remaining;
    size_t chunk_count;
    int line_bytes; /* of a chunk's size line, or of a trailer */
    int chunk_digits;
    bool in_extension, until_close;
} sw_http;

void sw_http_init(sw_http *m, sw_context *ctx, sw_http_limits limits); /* allocates nothing */
void sw_http_free(sw_http *m);
void sw_http_reset(sw_http *m); /* for the next message; keeps the memory */
/* Gives back body memory beyond `keep` bytes; only between messages. */
void sw_http_trim(sw_http *m, size_t keep);

/* Takes some of `bytes`, up to the next event; `*used` says how many. Call again with the rest. */
sw_http_event sw_http_feed(sw_http *m, const void *bytes, size_t size, size_t *used);
/* The stream has ended: SW_HTTP_DONE for an answer that goes on until then, else SW_HTTP_BAD. */
sw_http_event sw_http_end(sw_http *m);
/* True when no byte of a message has been taken yet. */
bool sw_http_idle(const sw_http *m);

/* The first header of that name (case does not matter), or NULL. */
const sw_span *sw_http_header_get(const sw_http *m, const char *name);

bool sw_span_is(sw_span span, const char *text);        /* equal */
bool sw_span_is_nocase(sw_span span, const char *text); /* equal but for ASCII case */
/* Digits only: true and the number, false on anything else or overflow. */
bool sw_span_u64(sw_span span, uint64_t *number);

/* "OK", "Not Found", …; "Unknown" for a status outside the tables. */
const char *sw_http_reason(int status);

#endif
