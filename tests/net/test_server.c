/* What server.h promises, seen from the outside through real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>

#include "base/context.h"
#include "callers.h"
#include "net/server.h"

/* A service: "/echo" answers with the body at once, "/later" from another thread, "/hold" when released. */
struct fixture {
    sw_context *ctx;
    sw_loop *loop;
    sw_server *server;
    pthread_t thread, helper;
    char address[SW_ADDRESS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    sw_exchange *later; /* one at a time is enough here */
    bool held, stopping;
    int lefts;
    sw_post post;
};

static void answer_echo(sw_exchange *x)
{
    const sw_http *m = sw_exchange_request(x);
    sw_text_addn(sw_exchange_body(x), m->body.data, m->body.size);
    sw_exchange_reply(x, 200, "text/plain", NULL);
}

static int on_head(void *user, sw_exchange *x)
{
    (void)user;
    if (!sw_span_is(sw_exchange_request(x)->target, "/refused"))
        return 0;
    sw_text_add(sw_exchange_body(x), "not here");
    return 404;
}

static void on_request(void *user, sw_exchange *x)
{
    struct fixture *f = user;
    if (sw_span_is(sw_exchange_request(x)->target, "/echo")) {
        answer_echo(x);
        return;
    }
    pthread_mutex_lock(&f->lock);
    f->later = x;
    f->held = sw_span_is(sw_exchange_request(x)->target, "/hold");
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void on_left(void *user, sw_exchange *x)
{
    struct fixture *f = user;
    (void)x;
    pthread_mutex_lock(&f->lock);
    f->lefts++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void on_refuse(void *user, sw_text *body, int status, const char *text)
{
    (void)user;
    sw_text_addf(body, "%d %s", status, text);
}

static void *help(void *user)
{
    struct fixture *f = user;
    pthread_mutex_lock(&f->lock);
    while (!f->stopping) {
        if (f->later && !f->held) {
            sw_exchange *x = f->later;
            f->later = NULL;
            pthread_mutex_unlock(&f->lock);
            answer_echo(x);
            pthread_mutex_lock(&f->lock);
        } else {
            pthread_cond_wait(&f->changed, &f->lock);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void *run_loop(void *user)
{
    sw_loop_run(((struct fixture *)user)->loop);
    return NULL;
}

static struct fixture *start(const sw_server_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->ctx = sw_context_create(NULL);
    f->loop = sw_loop_new(f->ctx);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    sw_server_service service = {.user = f,
                                 .head = on_head,
                                 .request = on_request,
                                 .left = on_left,
                                 .refuse = on_refuse,
                                 .error_type = "text/plain"};
    f->server = sw_server_new(f->loop, &service, options ? options : &SW_SERVER_DEFAULTS);
    assert_int_equal(sw_server_listen(f->server, "127.0.0.1:0", f->address), SW_OK);
    pthread_create(&f->thread, NULL, run_loop, f);
    pthread_create(&f->helper, NULL, help, f);
    return f;
}

static void stop(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->helper, NULL);
    sw_loop_stop(f->loop);
    pthread_join(f->thread, NULL);
    sw_server_free(f->server);
    sw_loop_free(f->loop);
    assert_int_equal(sw_context_bytes(f->ctx), 0);
    sw_context_free(f->ctx);
    free(f);
}

static void release_held(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->held = false;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_until_held(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->later)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static struct answer heard;

static void test_pipelined_answers_come_in_order_from_any_thread(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    int fd = caller_open(f->address);
    for (int round = 0; round < 20; round++) {
        caller_say(
            fd, "POST /later HTTP/1.1\r\nContent-Length: 1\r\n\r\naPOST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
                "bPOST /later HTTP/1.1\r\nContent-Length: 1\r\n\r\ncPOST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
        assert_string_equal(caller_hear(fd, &heard)->body, "a");
        assert_string_equal(caller_hear(fd, &heard)->body, "b");
        assert_string_equal(caller_hear(fd, &heard)->body, "c");
        assert_int_equal(caller_hear(fd, &heard)->status, 200);
    }
    close(fd);
    stop(f);
}

static void test_a_steady_connection_does_not_allocate(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    int fd = caller_open(f->address);
    uint64_t calls = 0;
    for (int i = 0; i < 300; i++) {
        caller_say(fd, i % 2 ? "POST /later HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
                             : "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
        assert_string_equal(caller_hear(fd, &heard)->body, "hello");
        if (i == 10)
            calls = sw_alloc_calls(f->ctx);
    }
    assert_int_equal(sw_alloc_calls(f->ctx), calls);
    close(fd);
    stop(f);
}

static void test_a_caller_who_leaves_while_waiting_is_noticed(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    int fd = caller_open(f->address);
    caller_say(fd, "POST /hold HTTP/1.1\r\nContent-Length: 1\r\n\r\na");
    wait_until_held(f);
    close(fd);
    pthread_mutex_lock(&f->lock);
    while (f->lefts == 0)
        pthread_cond_wait(&f->changed, &f->lock);
    assert_true(sw_exchange_left(f->later));
    pthread_mutex_unlock(&f->lock);
    release_held(f);
    while (sw_server_connections(f->server) > 0)
        usleep(1000);
    stop(f);
}

static void test_expectations_heads_and_http_1_0(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    int fd = caller_open(f->address);
    caller_say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(caller_hear(fd, &heard)->status, 100);
    caller_say(fd, "ok");
    assert_string_equal(caller_hear(fd, &heard)->body, "ok");

    caller_say(fd,
               "HEAD /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nz");
    caller_hear(fd, &heard);
    assert_non_null(strstr(heard.head, "Content-Length: 3\r\n"));
    assert_memory_equal(heard.body, "HTTP/1.1 200", 3); /* no body: the next answer's head follows at once */
    close(fd);

    fd = caller_open(f->address);
    caller_say(fd, "GET /echo HTTP/1.0\r\n\r\n");
    assert_int_equal(caller_hear(fd, &heard)->status, 200);
    assert_non_null(strstr(heard.head, "Connection: close\r\n"));
    assert_true(caller_sees_end(fd));
    close(fd);
    stop(f);
}

static void test_refusals_are_answers_even_to_a_caller_who_goes_on_sending(void **state)
{
    (void)state;
    sw_server_options options = SW_SERVER_DEFAULTS;
    options.limits.body_bytes = 1000;
    struct fixture *f = start(&options);
    static char much[1 << 20];
    memset(much, 'x', sizeof much);

    int fd = caller_open(f->address);
    caller_say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n");
    caller_send(fd, much, sizeof much);
    assert_int_equal(caller_hear(fd, &heard)->status, 413);
    assert_string_equal(heard.body, "413 the body is larger than this server takes");
    assert_true(caller_sees_end(fd));
    close(fd);

    fd = caller_open(f->address);
    caller_say(fd, "POST /refused HTTP/1.1\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(caller_hear(fd, &heard)->status, 404); /* and no 100 before it */
    close(fd);

    fd = caller_open(f->address);
    caller_say(fd, "nonsense\r\n\r\n");
    assert_int_equal(caller_hear(fd, &heard)->status, 400);
    close(fd);
    stop(f);
}

static void test_slow_callers_are_answered_and_let_go(void **state)
{
    (void)state;
    sw_server_options options = SW_SERVER_DEFAULTS;
    options.head_ms = options.body_ms = 100;
    options.idle_ms = 150;
    struct fixture *f = start(&options);

    int head = caller_open(f->address), body = caller_open(f->address), idle = caller_open(f->address);
    caller_say(head, "GET /echo HT");
    caller_say(body, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe");
    assert_int_equal(caller_hear(head, &heard)->status, 408);
    assert_true(caller_sees_end(head));
    assert_int_equal(caller_hear(body, &heard)->status, 408);
    assert_true(caller_sees_end(body));
    assert_true(caller_sees_end(idle));
    assert_int_equal(sw_server_count(f->server)->timeouts, 2);
    close(head), close(body), close(idle);
    stop(f);
}

/* A body too large for the socket's buffers: the loop writes the rest when there is room, whoever began. */
static void test_an_answer_larger_than_the_socket_arrives_whole(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    enum { SIZE = 24 << 20 };
    char *body = malloc(SIZE), head[128], *back = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i * 7 % 26);
    for (int round = 0; round < 2; round++) {
        int fd = caller_open(f->address);
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n", round ? "/later" : "/echo", SIZE);
        caller_say(fd, head);
        caller_send(fd, body, SIZE);
        usleep(100000); /* let it run into the full socket */
        size_t got = 0;
        char byte;
        for (int ends = 0; ends < 4 && recv(fd, &byte, 1, 0) == 1;)
            ends = byte == (ends % 2 ? '\n' : '\r') ? ends + 1 : byte == '\r';
        while (got < SIZE) {
            ssize_t n = recv(fd, back + got, SIZE - got, 0);
            assert_true(n > 0);
            got += (size_t)n;
        }
        assert_memory_equal(back, body, SIZE);
        caller_say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nz"); /* and the connection lives on */
        assert_string_equal(caller_hear(fd, &heard)->body, "z");
        close(fd);
    }
    free(body);
    free(back);
    stop(f);
}

static void test_a_caller_who_does_not_read_is_let_go(void **state)
{
    (void)state;
    sw_server_options options = SW_SERVER_DEFAULTS;
    options.write_ms = 100;
    options.bytes_per_ms = 1 << 20;
    struct fixture *f = start(&options);
    enum { SIZE = 24 << 20 };
    char *body = calloc(1, SIZE), head[128];
    int fd = caller_open(f->address);
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n", SIZE);
    caller_say(fd, head);
    caller_send(fd, body, SIZE);
    for (int i = 0; i < 2000 && sw_server_connections(f->server) > 0; i++)
        usleep(5000);
    assert_int_equal(sw_server_connections(f->server), 0);
    assert_int_equal(sw_server_count(f->server)->timeouts, 1);
    close(fd);
    free(body);
    stop(f);
}

static void close_server(sw_post *post)
{
    struct fixture *f = (struct fixture *)((char *)post - offsetof(struct fixture, post));
    sw_server_close(f->server);
}

static void test_farewell_and_close_lose_nobody(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    int idle = caller_open(f->address), held = caller_open(f->address);
    caller_say(idle, "GET /echo HTTP/1.1\r\n\r\n");
    assert_int_equal(caller_hear(idle, &heard)->status, 200);
    caller_say(held, "POST /hold HTTP/1.1\r\nContent-Length: 1\r\n\r\na");
    wait_until_held(f);
    f->post.run = close_server;
    sw_loop_post(f->loop, &f->post);
    assert_true(caller_sees_end(idle));
    int fd;
    assert_int_equal(sw_dial(f->address, 1000, &fd), SW_IO); /* nobody listens any more */
    release_held(f);
    assert_string_equal(caller_hear(held, &heard)->body, "a");
    assert_non_null(strstr(heard.head, "Connection: close\r\n"));
    close(idle), close(held);
    while (sw_server_connections(f->server) > 0)
        usleep(1000);
    stop(f);
}

static void test_one_connection_too_many_gets_a_503(void **state)
{
    (void)state;
    sw_server_options options = SW_SERVER_DEFAULTS;
    options.connections = 2;
    struct fixture *f = start(&options);
    int a = caller_open(f->address), b = caller_open(f->address), c = caller_open(f->address);
    assert_int_equal(caller_hear(c, &heard)->status, 503);
    caller_say(a, "GET /echo HTTP/1.1\r\n\r\n");
    assert_int_equal(caller_hear(a, &heard)->status, 200);
    close(a), close(b), close(c);
    stop(f);
}

static void test_addresses(void **state)
{
    (void)state;
    struct fixture *f = start(NULL);
    int fd;
    char bound[SW_ADDRESS_MAX];
    assert_int_equal(sw_listen(f->address, &fd, bound), SW_BUSY);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "%s is in use by another process; choose one with --listen", f->address);
    assert_string_equal(sw_error_text(), wanted);
    static const char *const wrong[] = {"",       "here",        "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                                        "::1:80", "127.0.0.1:-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(sw_listen(wrong[i], &fd, bound), SW_INVALID);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined_answers_come_in_order_from_any_thread),
        cmocka_unit_test(test_a_steady_connection_does_not_allocate),
        cmocka_unit_test(test_a_caller_who_leaves_while_waiting_is_noticed),
        cmocka_unit_test(test_expectations_heads_and_http_1_0),
        cmocka_unit_test(test_refusals_are_answers_even_to_a_caller_who_goes_on_sending),
        cmocka_unit_test(test_slow_callers_are_answered_and_let_go),
        cmocka_unit_test(test_an_answer_larger_than_the_socket_arrives_whole),
        cmocka_unit_test(test_a_caller_who_does_not_read_is_let_go),
        cmocka_unit_test(test_farewell_and_close_lose_nobody),
        cmocka_unit_test(test_one_connection_too_many_gets_a_503),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
