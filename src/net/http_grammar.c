/* The head of an HTTP/1.x message, by llhttp where the build has it, else by http-parser.
 *
 * Both are Node's parsers and almost one API: callbacks that deliver pieces of the head in place. They get a
 * head that is complete and free of control bytes, and they never see a body: returning 1 from
 * "headers complete" says that none follows. */
#include "net/http_grammar.h"

#include <stdio.h>
#include <string.h>

#ifdef SW_HAVE_LLHTTP
#include <llhttp.h>
typedef llhttp_t parser_t;
typedef llhttp_settings_t settings_t;
#else
#include <http_parser.h>
typedef http_parser parser_t;
typedef http_parser_settings settings_t;
#endif

/* A piece that follows on another extends it: the callbacks may split what lies together. */
static void extend(sw_span *span, const char *at, size_t size)
{
    if (!span->at)
        span->at = at;
    span->size = (size_t)(at + size - span->at);
}

static int on_target(parser_t *p, const char *at, size_t size)
{
    extend(&((sw_http *)p->data)->target, at, size);
    return 0;
}

static int on_name(parser_t *p, const char *at, size_t size)
{
    sw_http *m = p->data;
    /* A name after a value (or at the very beginning) opens the next header. */
    if (m->header_count == 0 || m->headers[m->header_count - 1].value.at) {
        if (m->header_count == SW_HTTP_HEADERS_MAX) {
            m->status = 431;
            return -1;
        }
        m->headers[m->header_count++] = (sw_http_header){0};
    }
    extend(&m->headers[m->header_count - 1].name, at, size);
    return 0;
}

static int on_value(parser_t *p, const char *at, size_t size)
{
    sw_http *m = p->data;
    if (m->header_count == 0)
        return -1;
    extend(&m->headers[m->header_count - 1].value, at, size);
    return 0;
}

static int on_complete(parser_t *p)
{
    sw_http *m = p->data;
    m->minor = p->http_minor;
    if (m->responses)
        m->status = p->status_code;
    m->method = p->method == HTTP_GET    ? SW_HTTP_GET
                : p->method == HTTP_POST ? SW_HTTP_POST
                : p->method == HTTP_HEAD ? SW_HTTP_HEAD_METHOD
                                         : SW_HTTP_OTHER;
    return 1;
}

static const settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_complete,
};

/* NULL, or what the library did not like. */
static const char *execute(parser_t *p, sw_http *m, const char *head, size_t size)
{
#ifdef SW_HAVE_LLHTTP
    llhttp_init(p, m->responses ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    p->data = m;
    llhttp_errno_t error = llhttp_execute(p, head, size);
    bool stopped = error == HPE_PAUSED_UPGRADE;
    return error == HPE_OK || stopped ? NULL : llhttp_get_error_reason(p);
#else
    http_parser_init(p, m->responses ? HTTP_RESPONSE : HTTP_REQUEST);
    p->data = m;
    size_t used = http_parser_execute(p, &settings, head, size);
    if (HTTP_PARSER_ERRNO(p) != HPE_OK)
        return http_errno_description(HTTP_PARSER_ERRNO(p));
    return used == size ? NULL : "bytes behind its end";
#endif
}

bool sw_http_grammar_read(sw_http *m, const char *head, size_t size)
{
    parser_t parser;
    m->status = 0;
    const char *wrong = execute(&parser, m, head, size);
    if (wrong && m->status == 431)
        snprintf(m->error, sizeof m->error, "more than %d headers", SW_HTTP_HEADERS_MAX);
    else if (wrong)
        snprintf(m->error, sizeof m->error, "malformed HTTP head: %s", wrong);
    else if (parser.http_major != 1 || parser.http_minor > 1)
        snprintf(m->error, sizeof m->error, "HTTP/%d.%d is not spoken here; use HTTP/1.1", parser.http_major,
                 parser.http_minor);
    else
        return true;
    m->status = m->status == 431 ? 431 : wrong ? 400 : 505;
    return false;
}

const char *sw_http_reason(int status)
{
    switch (status) {
#define REASON(number, name, text)                                                                                     \
    case number:                                                                                                       \
        return #text;
        HTTP_STATUS_MAP(REASON)
#undef REASON
    default:
        return "Unknown";
    }
}
