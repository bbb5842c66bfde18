/* The answer's way out: head, body, and giving the connection back.
 *
 * Runs on whatever thread holds the exchange. In the usual case one sendmsg takes head and body together and one
 * compare-and-swap gives the connection back; the loop is woken only when there is something for it to do (a full
 * socket, a connection to close, bytes that came meanwhile). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/clock.h"
#include "net/connection.h"

static const char no_memory_body[] = "{\"error\":\"no memory for the answer\"}";

/* "Sat, 21 Nov 2026 03:26:00 GMT", made once a second and thread. */
static const char *date_text(void)
{
    static _Thread_local time_t made;
    static _Thread_local char text[40];
    time_t now = time(NULL);
    if (now != made) {
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        made = now;
    }
    return text;
}

static void write_head(sw_exchange *x, int status, const char *type, const char *headers)
{
    const char *connection = x->close_after       ? "Connection: close\r\n"
                             : x->http.minor == 0 ? "Connection: keep-alive\r\n"
                                                  : "";
    int n = snprintf(x->head, sizeof x->head, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%sContent-Length: %zu\r\n%s%.200s\r\n",
                     status, sw_http_reason(status), date_text(), type ? "Content-Type: " : "", type ? type : "",
                     type ? "\r\n" : "", x->out.size, connection, headers ? headers : "");
    x->head_size = (size_t)n < sizeof x->head ? (size_t)n : sizeof x->head - 1;
}

/* Head and body as one TLS record where they fit into one. */
static ssize_t send_tls(sw_exchange *x, size_t body)
{
    char record[16 << 10];
    size_t total = x->head_size + body, at = x->sent;
    if (at >= x->head_size)
        return sw_tls_write(x->tls, x->out.at + (at - x->head_size), total - at);
    size_t head = x->head_size - at, take = sizeof record - head < body ? sizeof record - head : body;
    memcpy(record, x->head + at, head);
    if (take > 0)
        memcpy(record + head, x->out.at, take);
    return sw_tls_write(x->tls, record, head + take);
}

static ssize_t send_plain(sw_exchange *x, size_t body)
{
    size_t at = x->sent, head = at < x->head_size ? x->head_size - at : 0, skip = head > 0 ? 0 : at - x->head_size;
    struct iovec pieces[2] = {{x->head + (x->head_size - head), head}, {(char *)x->out.at + skip, body - skip}};
    struct msghdr message = {.msg_iov = head > 0 ? pieces : pieces + 1, .msg_iovlen = head > 0 && body > 0 ? 2 : 1};
    return sendmsg(x->watch.fd, &message, MSG_NOSIGNAL);
}

bool sw_reply_write(sw_exchange *x)
{
    size_t body = x->http.method == SW_HTTP_HEAD_METHOD ? 0 : x->out.size;
    while (x->sent < x->head_size + body) {
        ssize_t n = x->tls ? send_tls(x, body) : send_plain(x, body);
        if (n > 0) {
            x->sent += (size_t)n;
            x->moved += (uint64_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        x->phase = PHASE_CLOSE;
        return true;
    }
    return true;
}

void sw_reply_finish(sw_exchange *x)
{
    atomic_fetch_add_explicit(&x->server->counts.bytes_out, x->sent, memory_order_relaxed);
    x->since = sw_now_ns();
    x->moved = 0;
    sw_text_clear(&x->body);
    if (x->phase == PHASE_CLOSE)
        return;
    if (x->close_after) {
        x->phase = PHASE_LINGER;
        return;
    }
    sw_http_reset(&x->http);
    x->phase = PHASE_IDLE;
}

/* The holder's last act: from here on the connection is the loop's. */
static void give_back(sw_exchange *x)
{
    unsigned expected = CONNECTION_BUSY;
    if (x->phase == PHASE_IDLE &&
        atomic_compare_exchange_strong_explicit(&x->state, &expected, 0, memory_order_acq_rel, memory_order_relaxed))
        return;
    sw_loop_post(x->server->loop, &x->handed_back);
}

void sw_exchange_reply(sw_exchange *x, int status, const char *content_type, const char *headers)
{
    x->out = (sw_span){x->body.size ? x->body.data : "", x->body.size};
    if (x->body.status != SW_OK) {
        x->out = (sw_span){no_memory_body, sizeof no_memory_body - 1};
        status = 503;
        content_type = "application/json";
        headers = NULL;
        sw_text_free(&x->body);
        sw_text_init(&x->body, x->server->ctx);
    }
    if (!x->http.keep_alive || atomic_load_explicit(&x->server->farewell, memory_order_relaxed))
        x->close_after = true;
    write_head(x, status, content_type, headers);
    x->sent = x->moved = 0;
    if (sw_reply_write(x)) {
        sw_reply_finish(x);
    } else {
        x->phase = PHASE_WRITE;
        x->since = sw_now_ns();
    }
    give_back(x);
}

void sw_exchange_drop(sw_exchange *x)
{
    sw_text_clear(&x->body);
    x->phase = PHASE_CLOSE;
    give_back(x);
}

void sw_reply_continue(sw_exchange *x)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    /* A socket without room for 25 bytes before any answer is no caller to wait for; he may send without it. */
    ssize_t n = x->tls ? sw_tls_write(x->tls, line, sizeof line - 1)
                       : send(x->watch.fd, line, sizeof line - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
}

const sw_http *sw_exchange_request(const sw_exchange *x) { return &x->http; }
void *sw_exchange_own(const sw_exchange *x) { return (void *)x->own; }
sw_text *sw_exchange_body(sw_exchange *x) { return &x->body; }
uint64_t sw_exchange_arrived(const sw_exchange *x) { return x->arrived; }
bool sw_exchange_left(const sw_exchange *x) { return atomic_load_explicit(&x->left, memory_order_relaxed); }
