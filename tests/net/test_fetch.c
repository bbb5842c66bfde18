/* TLS and fetching, both against our own server: what fetch.h and tls.h promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/context.h"
#include "base/file.h"
#include "callers.h"
#include "certificate.h"
#include "net/fetch.h"
#include "net/server.h"

static char folder[] = "/tmp/slipway-fetch-XXXXXX", certificate[200], key[200], target[200];

enum { LARGE = 3 << 20 };

/* "/echo" gives the body back, "/large" LARGE bytes, "/late" a 503 twice and then "done", anything else 404. */
struct site {
    sw_context *ctx;
    sw_loop *loop;
    sw_server *server;
    sw_tls *tls;
    pthread_t thread;
    char address[SW_ADDRESS_MAX], url[300];
    atomic_int asked;
};

static void on_request(void *user, sw_exchange *x)
{
    struct site *s = user;
    const sw_http *m = sw_exchange_request(x);
    sw_text *body = sw_exchange_body(x);
    int turn = atomic_fetch_add(&s->asked, 1), status = 200;
    if (sw_span_is(m->target, "/echo"))
        sw_text_addn(body, m->body.data, m->body.size);
    else if (sw_span_is(m->target, "/large"))
        for (int i = 0; i < LARGE / 16; i++)
            sw_text_addf(body, "%016x", i);
    else if (sw_span_is(m->target, "/late")) {
        status = turn < 2 ? 503 : 200;
        sw_text_add(body, turn < 2 ? "wait" : "done");
    } else
        status = 404;
    sw_exchange_reply(x, status, "text/plain", NULL);
}

static void on_refuse(void *user, sw_text *body, int status, const char *text)
{
    (void)user, (void)status;
    sw_text_add(body, text);
}

static void *run_loop(void *user)
{
    sw_loop_run(((struct site *)user)->loop);
    return NULL;
}

static struct site *start(bool secure)
{
    struct site *s = calloc(1, sizeof *s);
    s->ctx = sw_context_create(NULL);
    s->loop = sw_loop_new(s->ctx);
    sw_server_options options = SW_SERVER_DEFAULTS;
    if (secure && !(options.tls = s->tls = sw_tls_new(s->ctx, certificate, key)))
        fail_msg("%s", sw_error_text());
    sw_server_service service = {.user = s, .request = on_request, .refuse = on_refuse, .error_type = "text/plain"};
    s->server = sw_server_new(s->loop, &service, &options);
    assert_int_equal(sw_server_listen(s->server, "127.0.0.1:0", s->address), SW_OK);
    snprintf(s->url, sizeof s->url, "%s://%s", secure ? "https" : "http", s->address);
    pthread_create(&s->thread, NULL, run_loop, s);
    return s;
}

static void stop(struct site *s)
{
    sw_loop_stop(s->loop);
    pthread_join(s->thread, NULL);
    sw_server_free(s->server);
    sw_loop_free(s->loop);
    sw_tls_free(s->tls);
    assert_int_equal(sw_context_bytes(s->ctx), 0);
    sw_context_free(s->ctx);
    free(s);
}

static const char *at(struct site *s, const char *path)
{
    static char url[400];
    snprintf(url, sizeof url, "%s%s", s->url, path);
    return url;
}

static void test_a_call_over_tls_both_ways_large(void **state)
{
    (void)state;
    struct site *s = start(true);
    sw_text body, answer;
    sw_text_init(&body, s->ctx);
    sw_text_init(&answer, s->ctx);
    for (int i = 0; i < LARGE / 16; i++)
        sw_text_addf(&body, "%016x", i * 7);
    int status = 0;
    sw_fetch_options trusting = {.authorities = certificate};
    if (sw_fetch_call(s->ctx, at(s, "/echo"), NULL, body.data, body.size, &status, &answer, &trusting) != SW_OK)
        fail_msg("%s", sw_error_text());
    assert_int_equal(status, 200);
    assert_int_equal(answer.size, body.size);
    assert_memory_equal(answer.data, body.data, body.size);
    /* Who is not known is not believed. */
    assert_int_equal(sw_fetch_call(s->ctx, at(s, "/echo"), NULL, "x", 1, &status, &answer, NULL), SW_IO);
    sw_text_free(&body);
    sw_text_free(&answer);
    stop(s);
}

static void test_a_tls_server_survives_what_is_no_tls(void **state)
{
    (void)state;
    struct site *s = start(true);
    int fd = caller_open(s->address);
    caller_say(fd, "GET / HTTP/1.1\r\n\r\n");
    caller_sees_end(fd);
    close(fd);
    int status = 0;
    sw_text answer;
    sw_text_init(&answer, s->ctx);
    assert_int_equal(sw_fetch_call(s->ctx, at(s, "/echo"), NULL, "x", 1, &status, &answer,
                                   &(sw_fetch_options){.authorities = certificate}),
                     SW_OK);
    assert_int_equal(status, 200);
    sw_text_free(&answer);
    stop(s);
}

static void farewell(sw_post *post);
static sw_server *parting;

/* "Connection: close" over TLS: the caller sees the end at once and not when somebody's patience is over. */
static void test_a_tls_connection_ends_with_its_last_answer(void **state)
{
    (void)state;
    struct site *s = start(true);
    sw_post post = {.run = farewell};
    parting = s->server;
    sw_loop_post(s->loop, &post);
    sw_tls *tls = sw_tls_new_client(s->ctx, certificate);
    int fd = caller_open(s->address);
    sw_tls_session *session = sw_tls_connect(tls, fd, "localhost");
    static const char request[] = "POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nz";
    char answer[1000];
    assert_int_equal(sw_tls_write(session, request, sizeof request - 1), sizeof request - 1);
    ssize_t n = 0, got;
    while ((got = sw_tls_read(session, answer + n, sizeof answer - 1 - (size_t)n)) > 0)
        n += got;
    assert_int_equal(got, 0); /* an orderly end, while we have not closed */
    answer[n] = 0;
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    sw_tls_end(session);
    sw_tls_free(tls);
    close(fd);
    stop(s);
}

static void farewell(sw_post *post)
{
    (void)post;
    sw_server_farewell(parting);
}

static void test_bad_certificates_are_named(void **state)
{
    (void)state;
    sw_context *ctx = sw_context_create(NULL);
    assert_null(sw_tls_new(ctx, "/nowhere.pem", key));
    assert_non_null(strstr(sw_error_text(), "TLS certificate '/nowhere.pem': "));
    assert_null(sw_tls_new(ctx, certificate, certificate));
    assert_non_null(strstr(sw_error_text(), "TLS key '"));
    assert_int_equal(sw_context_bytes(ctx), 0);
    sw_context_free(ctx);
}

static void test_a_file_is_fetched_whole_or_not_at_all(void **state)
{
    (void)state;
    struct site *s = start(false);
    char got[SW_SHA256_HEX], again[SW_SHA256_HEX];
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/large"), target, NULL, got, NULL), SW_OK);
    assert_int_equal(sw_sha256_file(s->ctx, target, again), SW_OK);
    assert_string_equal(got, again);
    remove(target);
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/large"), target, got, again, NULL), SW_OK);
    remove(target);

    got[0] = got[0] == '0' ? '1' : '0';
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/large"), target, got, again, NULL), SW_CORRUPT);
    assert_non_null(strstr(sw_error_text(), ": its SHA-256 is "));
    assert_false(sw_path_exists(target));
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/gone"), target, NULL, again, NULL), SW_NOT_FOUND);
    assert_false(sw_path_exists(target));
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/large"), target, NULL, again, &(sw_fetch_options){.limit = 1000}),
                     SW_INVALID);
    assert_false(sw_path_exists(target));
    sw_cancel *cancel = sw_cancel_new(s->ctx);
    sw_cancel_request(cancel);
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/large"), target, NULL, again, &(sw_fetch_options){.cancel = cancel}),
                     SW_CANCELLED);
    sw_cancel_free(cancel);
    assert_int_equal(sw_fetch_file(s->ctx, "file:///etc/passwd", target, NULL, again, NULL), SW_IO);
    assert_false(sw_path_exists(target));
    stop(s);
}

static void test_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    struct site *s = start(false);
    char got[SW_SHA256_HEX], *text;
    size_t size;
    assert_int_equal(sw_fetch_file(s->ctx, at(s, "/late"), target, NULL, got, NULL), SW_OK);
    assert_int_equal(sw_file_read(s->ctx, target, 100, &text, &size), SW_OK);
    assert_string_equal(text, "done");
    sw_free(s->ctx, text);
    remove(target);
    stop(s);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(target, sizeof target, "%s/fetched", folder);
    return certificate_write(certificate, key) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_over_tls_both_ways_large),
        cmocka_unit_test(test_a_tls_server_survives_what_is_no_tls),
        cmocka_unit_test(test_a_tls_connection_ends_with_its_last_answer),
        cmocka_unit_test(test_bad_certificates_are_named),
        cmocka_unit_test(test_a_file_is_fetched_whole_or_not_at_all),
        cmocka_unit_test(test_what_may_pass_is_tried_again),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
