/* HTTP/1.x, one message at a time.
 *
 * The head is gathered until its empty line, checked byte by byte for what no honest sender writes (bare CR or
 * LF, control bytes, folded lines), handed to the grammar, and then the framing is decided from the headers:
 * no body, a counted body, chunks, or (answers only) everything until the stream ends. Chunk framing is read
 * here, strictly: hex digits, an optional extension that is skipped, CRLF; trailers are read and dropped.
 * Peers differ in what they let pass at exactly these places, and that difference is what request smuggling
 * lives on, so anything unusual is refused and the connection is closed after the answer. */
#include "net/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/http_grammar.h"

enum state {
    STATE_HEAD,
    STATE_LENGTH,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_SIZE_LF,
    STATE_CHUNK_DATA,
    STATE_CHUNK_CR,
    STATE_CHUNK_LF,
    STATE_TRAILER_START,
    STATE_TRAILER,
    STATE_TRAILER_LF,
    STATE_END_LF,
    STATE_UNTIL_CLOSE,
    STATE_DONE,
    STATE_BAD
};

enum { LINE_MAX_BYTES = 4096 };

static sw_http_event bad(sw_http *m, int status, const char *text)
{
    m->state = STATE_BAD;
    m->status = status;
    if (text)
        snprintf(m->error, sizeof m->error, "%s", text);
    return SW_HTTP_BAD;
}

static sw_http_event no_memory(sw_http *m) { return bad(m, 503, "no memory for this message"); }

void sw_http_init(sw_http *m, sw_context *ctx, sw_http_limits limits)
{
    memset(m, 0, sizeof *m);
    m->ctx = ctx;
    m->limits = limits;
    sw_text_init(&m->head, ctx);
    sw_text_init(&m->body, ctx);
}

void sw_http_free(sw_http *m)
{
    sw_text_free(&m->head);
    sw_text_free(&m->body);
}

static void text_restart(sw_text *text)
{
    sw_text_clear(text);
    text->status = SW_OK;
}

void sw_http_reset(sw_http *m)
{
    text_restart(&m->head);
    text_restart(&m->body);
    m->state = STATE_HEAD;
    m->scanned = 0;
    m->method = SW_HTTP_OTHER;
    m->target = (sw_span){0};
    m->status = m->minor = m->header_count = 0;
    m->keep_alive = m->expects_continue = m->has_length = m->chunked = m->until_close = false;
    m->length = m->remaining = 0;
    m->chunk_count = 0;
    m->error[0] = 0;
}

void sw_http_trim(sw_http *m, size_t keep)
{
    if (m->body.capacity <= keep || m->body.size > 0)
        return;
    sw_text_free(&m->body);
    sw_text_init(&m->body, m->ctx);
}

bool sw_http_idle(const sw_http *m) { return m->state == STATE_HEAD && m->head.size == 0; }

/* ---- spans ---- */

bool sw_span_is(sw_span span, const char *text)
{
    return strlen(text) == span.size && memcmp(span.at, text, span.size) == 0;
}

bool sw_span_is_nocase(sw_span span, const char *text)
{
    return strlen(text) == span.size && strncasecmp(span.at, text, span.size) == 0;
}

bool sw_span_u64(sw_span span, uint64_t *number)
{
    uint64_t n = 0;
    for (size_t i = 0; i < span.size; i++) {
        unsigned digit = (unsigned)(span.at[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
            return false;
    }
    *number = n;
    return span.size > 0;
}

const sw_span *sw_http_header_get(const sw_http *m, const char *name)
{
    for (int i = 0; i < m->header_count; i++)
        if (sw_span_is_nocase(m->headers[i].name, name))
            return &m->headers[i].value;
    return NULL;
}

/* True when the comma-separated list `value` holds `token`. */
static bool lists(sw_span value, const char *token)
{
    for (size_t at = 0; at < value.size;) {
        const char *comma = memchr(value.at + at, ',', value.size - at);
        size_t end = comma ? (size_t)(comma - value.at) : value.size, first = at, last = end;
        while (first < last && (value.at[first] == ' ' || value.at[first] == '\t'))
            first++;
        while (last > first && (value.at[last - 1] == ' ' || value.at[last - 1] == '\t'))
            last--;
        if (sw_span_is_nocase((sw_span){value.at + first, last - first}, token))
            return true;
        at = end + 1;
    }
    return false;
}

/* ---- the head ---- */

/* NULL when every line ends in CRLF, none is folded, and no control byte hides in it. */
static const char *suspicious(const char *head, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)head[i];
        if (c == '\r' && head[i + 1] == '\n') { /* head ends in \n, so i + 1 is inside */
            if (i + 2 < size && (head[i + 2] == ' ' || head[i + 2] == '\t'))
                return "a folded header line (obsolete, ambiguous)";
            i++;
        } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return c == '\n' ? "a line that ends in LF instead of CRLF" : "a control byte in the head";
        }
    }
    return NULL;
}

static sw_http_event read_framing(sw_http *m)
{
    bool close = false, keep = false;
    int encodings = 0;
    for (int i = 0; i < m->header_count; i++) {
        sw_span name = m->headers[i].name, value = m->headers[i].value;
        /* "Content-Length : 3": http-parser lets the blank pass as part of a name; peers may not. */
        if (name.size == 0 || memchr(name.at, ' ', name.size) || memchr(name.at, '\t', name.size))
            return bad(m, 400, "malformed HTTP head: a blank in a header's name");
        if (sw_span_is_nocase(name, "content-length")) {
            if (m->has_length)
                return bad(m, 400, "Content-Length is given twice");
            if (!sw_span_u64(value, &m->length))
                return bad(m, 400, "Content-Length is not a number of bytes");
            m->has_length = true;
        } else if (sw_span_is_nocase(name, "transfer-encoding")) {
            if (encodings++ > 0 || !sw_span_is_nocase(value, "chunked"))
                return bad(m, 501, "the only Transfer-Encoding spoken here is chunked");
            if (m->minor == 0)
                return bad(m, 400, "Transfer-Encoding in HTTP/1.0");
            m->chunked = true;
        } else if (sw_span_is_nocase(name, "connection")) {
            close = close || lists(value, "close");
            keep = keep || lists(value, "keep-alive");
        } else if (sw_span_is_nocase(name, "expect") && !m->responses) {
            if (!sw_span_is_nocase(value, "100-continue"))
                return bad(m, 417, "the only expectation met here is 100-continue");
            m->expects_continue = m->minor > 0;
        }
    }
    if (m->has_length && m->chunked)
        return bad(m, 400, "both Content-Length and Transfer-Encoding are given");
    if (m->has_length && m->length > m->limits.body_bytes)
        return bad(m, 413, "the body is larger than this server takes");
    m->keep_alive = !close && (m->minor > 0 || keep);

    bool empty = m->responses && (m->no_body || m->status / 100 == 1 || m->status == 204 || m->status == 304);
    m->remaining = m->length;
    if (empty || (m->has_length && m->length == 0) || (!m->responses && !m->has_length && !m->chunked))
        m->state = STATE_DONE;
    else if (m->chunked)
        m->state = STATE_CHUNK_SIZE;
    else if (m->has_length)
        m->state = STATE_LENGTH;
    else
        m->state = STATE_UNTIL_CLOSE;
    m->line_bytes = m->chunk_digits = 0;
    m->in_extension = false;
    if (m->state == STATE_UNTIL_CLOSE)
        m->keep_alive = false;
    return SW_HTTP_HEAD;
}

static sw_http_event feed_head(sw_http *m, const char *bytes, size_t size, size_t *used)
{
    /* Empty lines before a message are allowed (RFC 9112 §2.2) and skipped. */
    size_t skipped = 0;
    if (m->head.size == 0)
        while (skipped < size && (bytes[skipped] == '\r' || bytes[skipped] == '\n'))
            skipped++;
    const char *first = bytes + skipped;
    size_t room = m->limits.head_bytes - m->head.size, take = size - skipped < room ? size - skipped : room;

    /* The empty line may begin in what was kept from earlier, so look from three bytes before the new ones. */
    size_t old = m->head.size, look = old < 3 ? 0 : old - 3;
    sw_text_addn(&m->head, first, take);
    if (m->head.status != SW_OK)
        return no_memory(m);
    const char *head = m->head.data;
    const char *end = m->head.size > look ? memmem(head + look, m->head.size - look, "\r\n\r\n", 4) : NULL;
    if (!end) {
        *used = skipped + take;
        /* A bare LF can be told at once; a peer that writes them would otherwise wait for ever. */
        for (const char *lf = head + old; take > 0 && (lf = memchr(lf, '\n', (size_t)(head + m->head.size - lf))); lf++)
            if (lf == head || lf[-1] != '\r')
                return bad(m, 400, "malformed HTTP head: a line that ends in LF instead of CRLF");
        return m->head.size >= m->limits.head_bytes ? bad(m, 431, "the head is larger than this server takes")
                                                    : SW_HTTP_MORE;
    }
    size_t length = (size_t)(end - head) + 4;
    *used = skipped + length - old;
    m->head.size = length;
    const char *odd = suspicious(head, length);
    if (odd) {
        snprintf(m->error, sizeof m->error, "malformed HTTP head: %s", odd);
        return bad(m, 400, NULL);
    }
    if (!sw_http_grammar_read(m, head, length))
        return bad(m, m->status, NULL);
    return read_framing(m);
}

/* ---- the body ---- */

static sw_http_event body_add(sw_http *m, const char *bytes, size_t size)
{
    if (size > m->limits.body_bytes - m->body.size)
        return bad(m, 413, "the body is larger than this server takes");
    sw_text_addn(&m->body, bytes, size);
    return m->body.status == SW_OK ? SW_HTTP_MORE : no_memory(m);
}

/* One byte of a chunk's size line: hex digits, then optionally ";extension", then CR. */
static sw_http_event chunk_size_byte(sw_http *m, char c)
{
    if (++m->line_bytes > LINE_MAX_BYTES)
        return bad(m, 400, "a chunk's size line is too long");
    if (c == '\r' && m->chunk_digits > 0) {
        m->state = STATE_CHUNK_SIZE_LF;
        return SW_HTTP_MORE;
    }
    if (m->in_extension && ((unsigned char)c >= 0x20 || c == '\t') && c != 0x7f)
        return SW_HTTP_MORE;
    if (c == ';' && m->chunk_digits > 0) {
        m->in_extension = true;
        return SW_HTTP_MORE;
    }
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0 || m->in_extension || ++m->chunk_digits > 15)
        return bad(m, 400, "a chunk's size is not a hexadecimal number");
    m->remaining = m->remaining * 16 + (uint64_t)digit;
    return SW_HTTP_MORE;
}

static sw_http_event chunk_begin(sw_http *m)
{
    m->line_bytes = m->chunk_digits = 0;
    m->in_extension = false;
    if (m->remaining == 0) {
        m->state = STATE_TRAILER_START;
        return SW_HTTP_MORE;
    }
    if (++m->chunk_count > m->limits.chunks)
        return bad(m, 413, "the body comes in too many chunks");
    if (m->remaining > m->limits.body_bytes - m->body.size)
        return bad(m, 413, "the body is larger than this server takes");
    m->state = STATE_CHUNK_DATA;
    return SW_HTTP_MORE;
}

/* One byte of framing between or behind the chunks' data. */
static sw_http_event chunk_byte(sw_http *m, char c)
{
    switch (m->state) {
    case STATE_CHUNK_SIZE:
        return chunk_size_byte(m, c);
    case STATE_CHUNK_SIZE_LF:
        return c == '\n' ? chunk_begin(m) : bad(m, 400, "a chunk's size line does not end in CRLF");
    case STATE_CHUNK_CR:
        m->state = STATE_CHUNK_LF;
        return c == '\r' ? SW_HTTP_MORE : bad(m, 400, "a chunk is longer than its size says");
    case STATE_CHUNK_LF:
        m->state = STATE_CHUNK_SIZE;
        m->remaining = 0;
        return c == '\n' ? SW_HTTP_MORE : bad(m, 400, "a chunk does not end in CRLF");
    case STATE_TRAILER_START:
        m->state = c == '\r' ? STATE_END_LF : STATE_TRAILER;
        if (c == ' ' || c == '\t' || c == '\n')
            return bad(m, 400, "a malformed trailer");
        m->line_bytes++;
        return SW_HTTP_MORE;
    case STATE_TRAILER:
        if (c == '\r')
            m->state = STATE_TRAILER_LF;
        else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
            return bad(m, 400, "a malformed trailer");
        /* Counted over all trailers, which is what bounds them. */
        return ++m->line_bytes > LINE_MAX_BYTES ? bad(m, 431, "the trailers are too long") : SW_HTTP_MORE;
    case STATE_TRAILER_LF:
        m->state = STATE_TRAILER_START;
        return c == '\n' ? SW_HTTP_MORE : bad(m, 400, "a malformed trailer");
    default: /* STATE_END_LF */
        if (c != '\n')
            return bad(m, 400, "a malformed trailer");
        m->state = STATE_DONE;
        return SW_HTTP_DONE;
    }
}

static sw_http_event feed_data(sw_http *m, const char *bytes, size_t size, size_t *used)
{
    size_t take = m->state != STATE_UNTIL_CLOSE && size > m->remaining ? (size_t)m->remaining : size;
    *used = take;
    sw_http_event event = body_add(m, bytes, take);
    if (event != SW_HTTP_MORE || m->state == STATE_UNTIL_CLOSE)
        return event;
    m->remaining -= take;
    if (m->remaining > 0)
        return SW_HTTP_MORE;
    m->state = m->state == STATE_LENGTH ? STATE_DONE : STATE_CHUNK_CR;
    return m->state == STATE_DONE ? SW_HTTP_DONE : SW_HTTP_MORE;
}

sw_http_event sw_http_feed(sw_http *m, const void *bytes, size_t size, size_t *used)
{
    const char *at = bytes;
    *used = 0;
    if (m->state == STATE_BAD)
        return SW_HTTP_BAD;
    if (m->state == STATE_DONE)
        return SW_HTTP_DONE;
    if (m->state == STATE_HEAD)
        return size > 0 ? feed_head(m, at, size, used) : SW_HTTP_MORE;
    sw_http_event event = SW_HTTP_MORE;
    while (event == SW_HTTP_MORE && *used < size) {
        if (m->state == STATE_LENGTH || m->state == STATE_CHUNK_DATA || m->state == STATE_UNTIL_CLOSE) {
            size_t taken;
            event = feed_data(m, at + *used, size - *used, &taken);
            *used += taken;
        } else {
            event = chunk_byte(m, at[(*used)++]);
        }
    }
    return event;
}

sw_http_event sw_http_end(sw_http *m)
{
    if (m->state == STATE_UNTIL_CLOSE)
        m->state = STATE_DONE;
    if (m->state == STATE_DONE)
        return SW_HTTP_DONE;
    return bad(m, 400, "the stream ended inside a message");
}
