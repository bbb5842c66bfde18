/* What http.h promises: one meaning per stream of bytes, however the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/context.h"
#include "net/http.h"

static int make_context(void **state)
{
    *state = sw_context_create(NULL);
    return *state ? 0 : -1;
}

static int free_context(void **state)
{
    sw_context *ctx = *state;
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

/* What a stream means, written down: one line per message, then how it ended. */
static char *account(sw_context *ctx, const char *bytes, size_t size, size_t cut, bool responses)
{
    sw_http m;
    sw_text log;
    sw_text_init(&log, ctx);
    sw_http_init(&m, ctx, (sw_http_limits){.head_bytes = 2048, .body_bytes = 4096, .chunks = 16});
    m.responses = responses;
    size_t at = 0;
    bool bad = false;
    while (!bad) {
        size_t piece = size - at < cut ? size - at : cut, used;
        sw_http_event event = sw_http_feed(&m, bytes + at, piece, &used);
        assert_true(used <= piece);
        at += used;
        if (event == SW_HTTP_MORE && at == size)
            break;
        if (event == SW_HTTP_HEAD) {
            sw_text_addf(&log, "head %d '%.*s' 1.%d keep %d expect %d", m.method, (int)m.target.size,
                         m.target.at ? m.target.at : "", m.minor, m.keep_alive, m.expects_continue);
            for (int i = 0; i < m.header_count; i++)
                sw_text_addf(&log, " [%.*s=%.*s]", (int)m.headers[i].name.size, m.headers[i].name.at,
                             (int)m.headers[i].value.size, m.headers[i].value.at ? m.headers[i].value.at : "");
        } else if (event == SW_HTTP_DONE) {
            sw_text_addf(&log, " body '%.*s'\n", (int)m.body.size, m.body.size ? m.body.data : "");
            sw_http_reset(&m);
        } else if (event == SW_HTTP_BAD) {
            sw_text_addf(&log, " bad %d %s", m.status, m.error);
            bad = true;
        }
    }
    if (!bad)
        sw_text_addf(&log, " idle %d", sw_http_idle(&m));
    sw_http_free(&m);
    return sw_text_take(&log);
}

/* The stream means `expected`, whole and cut into pieces of every size up to 7. */
static void check(sw_context *ctx, const char *bytes, size_t size, const char *expected)
{
    for (size_t cut = 1; cut <= 8; cut++) {
        char *got = account(ctx, bytes, size, cut == 8 ? size : cut, false);
        assert_string_equal(got, expected);
        sw_free(ctx, got);
    }
}

#define CHECK(bytes, expected) check(*state, bytes, sizeof(bytes) - 1, expected)

static void test_a_request_without_a_body(void **state)
{
    CHECK("GET /v2/health/live?x=1 HTTP/1.1\r\nHost: a\r\nX-Empty:\r\n\r\n",
          "head 1 '/v2/health/live?x=1' 1.1 keep 1 expect 0 [Host=a] [X-Empty=] body ''\n idle 1");
}

static void test_pipelined_requests_come_in_order(void **state)
{
    CHECK("POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nConnection: x, Close\r\n\r\n"
          "HEAD /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
          "head 3 '/a' 1.1 keep 1 expect 0 [Content-Length=3] body 'abc'\n"
          "head 1 '/b' 1.1 keep 0 expect 0 [Connection=x, Close] body ''\n"
          "head 2 '/c' 1.0 keep 1 expect 0 [Connection=keep-alive] body ''\n idle 1");
}

static void test_chunks_extensions_and_trailers(void **state)
{
    CHECK("POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n"
          "3\r\nabc\r\n00A;name=\"v\"\r\n0123456789\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\nGET / HTTP/1.1\r\n\r\n",
          "head 3 '/a' 1.1 keep 1 expect 1 [Transfer-Encoding=Chunked] [Expect=100-Continue] body 'abc0123456789'\n"
          "head 1 '/' 1.1 keep 1 expect 0 body ''\n idle 1");
}

static void test_ambiguous_lengths_are_refused(void **state)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400},
        {"Content-Length: 3\r\nContent-Length: 4\r\n", 400},
        {"Content-Length: 3\r\nContent-Length: 3\r\n", 400},
        {"Content-Length: 3, 3\r\n", 400},
        {"Content-Length: +3\r\n", 400},
        {"Content-Length: -3\r\n", 400},
        {"Content-Length: 0x3\r\n", 400},
        {"Content-Length: 3 3\r\n", 400},
        {"Content-Length:\r\n", 400},
        {"Content-Length: 99999999999999999999\r\n", 400},
        {"Content-Length : 3\r\n", 400},
        {" Content-Length: 3\r\n", 400},
        {"X: a\r\n Content-Length: 3\r\n", 400},
        {"X: a\r\n\tb\r\n", 400},
        {"X: a\nContent-Length: 3\r\n", 400},
        {"X: a\rContent-Length: 3\r\n", 400},
        {"X: a\x01\r\n", 400},
        {"Transfer-Encoding: gzip, chunked\r\n", 501},
        {"Transfer-Encoding: xchunked\r\n", 501},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 501},
        {"Transfer-Encoding: chunked, identity\r\n", 501},
        {"Content-Length: 4097\r\n", 413},
        {"Expect: something\r\n", 417},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char stream[512], wanted[16];
        int size = snprintf(stream, sizeof stream, "POST / HTTP/1.1\r\n%s\r\nabc", cases[i].headers);
        snprintf(wanted, sizeof wanted, " bad %d ", cases[i].status);
        for (size_t cut = 1; cut <= 512; cut += 511) {
            char *got = account(*state, stream, (size_t)size, cut, false);
            if (!strstr(got, wanted) && !(cases[i].status == 501 && strstr(got, " bad 400 ")))
                fail_msg("%s gave %s", cases[i].headers, got);
            sw_free(*state, got);
        }
    }
}

static void test_bad_chunks_are_refused(void **state)
{
    static const char *const bodies[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "3\nabc\r\n",
        "0x3\r\nabc\r\n",
        ";a\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n",
        "3\r\nabcX",
        "1000000000000000\r\n",
        "1001\r\n",
        "3;\x01\r\nabc\r\n",
        "0\r\n X: 1\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "0\r\n\rX",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char stream[512];
        int size =
            snprintf(stream, sizeof stream, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s", bodies[i]);
        for (size_t cut = 1; cut <= 512; cut += 511) {
            char *got = account(*state, stream, (size_t)size, cut, false);
            if (!strstr(got, " bad 4"))
                fail_msg("%s gave %s", bodies[i], got);
            sw_free(*state, got);
        }
    }
}

static void test_limits(void **state)
{
    sw_context *ctx = *state;
    sw_text t;
    sw_text_init(&t, ctx);
    sw_text_add(&t, "GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < 3000; i++)
        sw_text_add(&t, "a");
    char *got = account(ctx, t.data, t.size, 100, false);
    assert_string_equal(got, " bad 431 the head is larger than this server takes");
    sw_free(ctx, got);

    sw_text_clear(&t);
    sw_text_add(&t, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 101; i++)
        sw_text_addf(&t, "A%d: b\r\n", i);
    sw_text_add(&t, "\r\n");
    got = account(ctx, t.data, t.size, t.size, false);
    assert_string_equal(got, " bad 431 more than 100 headers");
    sw_free(ctx, got);

    sw_text_clear(&t);
    sw_text_add(&t, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++)
        sw_text_add(&t, "1\r\na\r\n");
    got = account(ctx, t.data, t.size, t.size, false);
    assert_non_null(strstr(got, " bad 413 the body comes in too many chunks"));
    sw_free(ctx, got);
    sw_text_free(&t);
}

static void test_versions_and_methods(void **state)
{
    CHECK("DELETE /a HTTP/1.1\r\n\r\n", "head 0 '/a' 1.1 keep 1 expect 0 body ''\n idle 1");
    char *got = account(*state, "GET / HTTP/2.0\r\n\r\n", 18, 18, false);
    assert_string_equal(got, " bad 505 HTTP/2.0 is not spoken here; use HTTP/1.1");
    sw_free(*state, got);
    got = account(*state, "\x16\x03\x01 hello\r\n\r\n", 13, 13, false);
    assert_non_null(strstr(got, " bad 400 "));
    sw_free(*state, got);
}

static void test_answers_are_read_too(void **state)
{
    static const char stream[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
                                 "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "1\r\n!\r\n0\r\n\r\n";
    for (size_t cut = 1; cut <= sizeof stream; cut += sizeof stream - 2) {
        char *got = account(*state, stream, sizeof stream - 1, cut, true);
        assert_non_null(strstr(got, "[Content-Length=2] body 'hi'\n"));
        assert_non_null(strstr(got, "body ''\n"));
        assert_non_null(strstr(got, "body '!'\n idle 1"));
        sw_free(*state, got);
    }
}

/* The second message of the same size takes no memory that the first did not. */
static void test_a_stream_stops_allocating(void **state)
{
    sw_context *ctx = *state;
    static const char stream[] = "POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789";
    sw_http m;
    sw_http_init(&m, ctx, SW_HTTP_LIMITS_DEFAULT);
    uint64_t before = 0;
    for (int i = 0; i < 100; i++) {
        size_t used, at = 0;
        sw_http_event event;
        do {
            event = sw_http_feed(&m, stream + at, sizeof stream - 1 - at, &used);
            at += used;
        } while (event != SW_HTTP_DONE);
        sw_http_reset(&m);
        if (i == 0)
            before = sw_alloc_calls(ctx);
    }
    assert_int_equal(sw_alloc_calls(ctx), before);
    sw_http_free(&m);
}

static void test_running_out_of_memory_is_an_answer(void **state)
{
    sw_context *ctx = *state;
    static const char stream[] = "POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789";
    for (uint64_t nth = 1;; nth++) {
        sw_http m;
        sw_http_init(&m, ctx, SW_HTTP_LIMITS_DEFAULT);
        sw_alloc_fail_at(ctx, nth);
        size_t used, at = 0;
        sw_http_event event;
        do {
            event = sw_http_feed(&m, stream + at, sizeof stream - 1 - at, &used);
            at += used;
        } while (event == SW_HTTP_MORE || event == SW_HTTP_HEAD);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        if (failed)
            assert_int_equal(m.status, 503);
        else
            assert_int_equal(event, SW_HTTP_DONE);
        sw_http_free(&m);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request_without_a_body, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_pipelined_requests_come_in_order, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_chunks_extensions_and_trailers, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_ambiguous_lengths_are_refused, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_bad_chunks_are_refused, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_limits, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_versions_and_methods, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_answers_are_read_too, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_a_stream_stops_allocating, make_context, free_context),
        cmocka_unit_test_setup_teardown(test_running_out_of_memory_is_an_answer, make_context, free_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
