/* What the server promises its callers, each through a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/clock.h"
#include "fake.h"

static struct answer a;

static sw_serving_options one_lane(void)
{
    sw_serving_options o = SW_SERVING_DEFAULTS;
    o.lanes = 1;
    o.inline_us = 0;
    o.poll_ms = 5;
    return o;
}

static void wait_for_queue(server *s, int count)
{
    while (server_metric(s, "slipway_queue_length{model=\"row-id\"}") != count)
        usleep(1000);
}

static void test_health_metadata_and_a_row(void **state)
{
    (void)state;
    sw_serving_options o = SW_SERVING_DEFAULTS;
    server *s = server_start(&o);
    int fd = caller_open(s->address);
    caller_ask(fd, "GET", "/v2/health/live", "", "");
    assert_string_equal(caller_hear(fd, &a)->body, "{\"live\":true}");
    caller_ask(fd, "GET", "/v2/health/ready", "", "");
    assert_string_equal(caller_hear(fd, &a)->body, "{\"ready\":true}");
    caller_ask(fd, "GET", "http://test:80/v2", "", "");
    assert_int_equal(caller_hear(fd, &a)->status, 200);
    caller_ask(fd, "GET", "/v2", "", "");
    assert_non_null(strstr(caller_hear(fd, &a)->body, "{\"name\":\"slipway\",\"version\":\""));
    caller_ask(fd, "GET", "/v2/models/row-id", "", "");
    assert_string_equal(caller_hear(fd, &a)->body,
                        "{\"name\":\"row-id\",\"versions\":[\"1\"],\"platform\":\"fake\",\"inputs\":[{\"name\":\"x\","
                        "\"datatype\":\"FP32\",\"shape\":[-1,3]}],\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\","
                        "\"shape\":[-1,3]}]}");
    caller_ask(fd, "GET", "/v2/models/row-id/versions/1/ready", "", "");
    assert_string_equal(caller_hear(fd, &a)->body, "{\"name\":\"row-id\",\"ready\":true}");
    caller_ask(fd, "POST", "/v2/models/row-id/versions/1/infer", "",
               "{\"id\":\"a\\\"b\",\"inputs\":[{\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\","
               "\"data\":[[1,2.5,-3e-2],[4,5,6]]}],\"outputs\":[{\"name\":\"y\"}]}");
    assert_string_equal(
        caller_hear(fd, &a)->body,
        "{\"model_name\":\"row-id\",\"model_version\":\"1\",\"id\":\"a\\\"b\",\"outputs\":[{\"name\":\"y\","
        "\"datatype\":\"FP32\",\"shape\":[2,3],\"data\":[1,2.5,-0.03,4,5,6]}]}");
    close(fd);
    assert_int_equal(server_stop(s), 0);
}

static void test_statuses_and_their_texts(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *headers, *body;
        int status;
        const char *text;
    } cases[] = {
        {"GET", "/nowhere", "", "", 404, "{\"error\":\"nothing is served at this address\"}"},
        {"POST", "/v2/models/other/infer", "", "{}", 404, "{\"error\":\"no model 'other' is served here\"}"},
        {"POST", "/v2/models/row-id/versions/7/infer", "", "{}", 404,
         "{\"error\":\"model 'row-id' has no version '7' here; version 1 is served\"}"},
        {"GET", "/v2/models/row-id/infer", "", "", 405, "{\"error\":\"this address takes POST\"}"},
        {"POST", "/v2/health/live", "", "", 405, "{\"error\":\"this address takes GET\"}"},
        {"POST", "/v2/models/row-id/infer", "", "", 400,
         "{\"error\":\"line 1, column 1: expected '{' (an object), found the end\"}"},
        {"POST", "/v2/models/row-id/infer", "", "{\"inputs\":[]}", 400, "{\"error\":\"input 'x' is missing\"}"},
        {"POST", "/v2/models/row-id/infer", "", "{\"inputs\":\n  [{\"name\":\"x\",,", 400,
         "{\"error\":\"line 2, column 16: expected a string, found ','\"}"},
        {"POST", "/v2/models/row-id/infer", "",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400,
         "{\"error\":\"line 1, column 68: input 'x': shape [1, 3] has 3 elements, the data 2\"}"},
        {"POST", "/v2/models/row-id/infer", "",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}", 400,
         "{\"error\":\"input 'x' has shape [1, 4], the model takes [-1, 3] (-1: any size)\"}"},
        {"POST", "/v2/models/row-id/infer", "",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"INT64\",\"data\":[1,2,3]}]}", 400,
         "{\"error\":\"line 1, column 64: input 'x' is INT64, the model takes FP32\"}"},
        {"POST", "/v2/models/row-id/infer", "",
         "{\"inputs\":[{\"name\":\"q\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", 400,
         "{\"error\":\"line 1, column 63: the model has no input 'q' (it has 'x')\"}"},
        {"POST", "/v2/models/row-id/infer", "Content-Encoding: gzip\r\n", "x", 415,
         "{\"error\":\"Content-Encoding 'gzip' is not taken here; send the body as it is\"}"},
        {"POST", "/v2/models/row-id/infer", "X-Request-Timeout-Ms: soon\r\n", "{}", 400,
         "{\"error\":\"X-Request-Timeout-Ms is a whole number of milliseconds, from 1\"}"},
    };
    sw_serving_options o = SW_SERVING_DEFAULTS;
    server *s = server_start(&o);
    int fd = caller_open(s->address);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        caller_ask(fd, cases[i].method, cases[i].path, cases[i].headers, cases[i].body);
        caller_hear(fd, &a);
        assert_string_equal(a.body, cases[i].text);
        assert_int_equal(a.status, cases[i].status);
    }
    close(fd);
    assert_int_equal(server_stop(s), 0);
}

/* A caller that leaves while queued is dropped before execution, and its neighbours in the batch get their own rows. */
static void test_leaver_is_dropped(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    int first = caller_open(s->address), b = caller_open(s->address), c = caller_open(s->address),
        d = caller_open(s->address);
    server_block_lane(s);
    caller_ask_row(first, 10);
    server_wait_until_running(s);
    caller_ask_row(b, 20);
    wait_for_queue(s, 1);
    caller_ask_row(c, 30);
    wait_for_queue(s, 2);
    caller_ask_row(d, 40);
    wait_for_queue(s, 3);
    close(c);
    wait_for_queue(s, 2);
    server_unblock_lane(s);
    assert_true(answer_is_row(caller_hear(first, &a), 10));
    assert_true(answer_is_row(caller_hear(b, &a), 20));
    assert_true(answer_is_row(caller_hear(d, &a), 40));
    assert_int_equal(server_metric(s, "slipway_dropped_total{model=\"row-id\",reason=\"left\"}"), 1);
    assert_int_equal(server_metric(s, "slipway_rows_executed_total{model=\"row-id\"}"), 3);
    assert_int_equal(server_metric(s, "slipway_runs_total{model=\"row-id\"}"),
                     2); /* the two that waited ran together */
    close(first), close(b), close(d);
    assert_int_equal(server_stop(s), 0);
}

static void test_a_full_queue_is_429_with_retry_after(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    o.max_queue = 2;
    server *s = server_start(&o);
    int fds[4];
    server_block_lane(s);
    for (int i = 0; i < 3; i++) {
        fds[i] = caller_open(s->address);
        caller_ask_row(fds[i], (float)i);
        if (i == 0)
            server_wait_until_running(s);
        else
            wait_for_queue(s, i);
    }
    fds[3] = caller_open(s->address);
    caller_ask_row(fds[3], 3);
    caller_hear(fds[3], &a);
    assert_int_equal(a.status, 429);
    assert_non_null(strstr(a.head, "Retry-After: 1\r\n"));
    server_unblock_lane(s);
    for (int i = 0; i < 3; i++)
        assert_true(answer_is_row(caller_hear(fds[i], &a), (float)i));
    assert_int_equal(server_metric(s, "slipway_rejected_total{model=\"row-id\",reason=\"queue_full\"}"), 1);
    caller_ask_row(fds[3], 3); /* the connection is still good */
    assert_true(answer_is_row(caller_hear(fds[3], &a), 3));
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    assert_int_equal(server_stop(s), 0);
}

static void test_deadlines_end_in_504_waiting_and_running(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    int running = caller_open(s->address), waiting = caller_open(s->address), other = caller_open(s->address);
    const char *body = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[7,8,9]}]}";
    const char *with_timeout = "{\"parameters\":{\"timeout\":50000},\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],"
                               "\"datatype\":\"FP32\",\"data\":[7,8,9]}]}";
    server_block_lane(s);
    caller_ask(running, "POST", "/v2/models/row-id/infer", "X-Request-Timeout-Ms: 300\r\n", body);
    server_wait_until_running(s);
    caller_ask(waiting, "POST", "/v2/models/row-id/infer", "", with_timeout);
    assert_int_equal(caller_hear(waiting, &a)->status, 504); /* while the lane is still blocked */
    assert_string_equal(a.body, "{\"error\":\"the deadline passed before the model could run\"}");
    assert_int_equal(caller_hear(running, &a)->status, 504);
    assert_string_equal(a.body, "{\"error\":\"the deadline passed while the model ran\"}");
    server_unblock_lane(s);
    caller_ask_row(other, 5);
    assert_true(answer_is_row(caller_hear(other, &a), 5));
    assert_int_equal(server_metric(s, "slipway_rejected_total{model=\"row-id\",reason=\"deadline\"}"), 2);
    close(running), close(waiting), close(other);
    assert_int_equal(server_stop(s), 0);
}

/* One caller's row makes the whole batch fail: only he is told so. */
static void test_an_error_stays_with_its_caller(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    int fds[4];
    server_block_lane(s);
    for (int i = 0; i < 4; i++) {
        fds[i] = caller_open(s->address);
        caller_ask_row(fds[i], i == 2 ? FAKE_POISON : (float)i);
        if (i == 0)
            server_wait_until_running(s);
        else
            wait_for_queue(s, i);
    }
    server_unblock_lane(s);
    for (int i = 0; i < 4; i++) {
        caller_hear(fds[i], &a);
        if (i == 2)
            assert_string_equal(a.body, "{\"error\":\"row-id does not like -666\"}");
        else
            assert_true(answer_is_row(&a, (float)i) || (fprintf(stderr, "%d %s\n", a.status, a.body), 0));
        close(fds[i]);
    }
    assert_int_equal(server_stop(s), 0);
}

/* Large bodies are read by a lane: the loop answers others meanwhile, faults are told as ever, rows are right. */
static void test_a_large_body_is_read_beside_the_loop(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    enum { ROWS = 20000 };
    char *body = malloc(ROWS * 40 + 200), *at = body;
    at += sprintf(at, "{\"inputs\":[{\"name\":\"x\",\"shape\":[%d,3],\"datatype\":\"FP32\",\"data\":[", ROWS);
    for (int i = 0; i < ROWS; i++)
        at += sprintf(at, "%s%d,%d,%d", i ? "," : "", i, i + 1, i + 2);
    at += sprintf(at, "]}]}");
    char head[200];
    for (int broken = 0; broken < 2; broken++) {
        int fd = caller_open(s->address);
        if (broken)
            at[-2] = '}';
        snprintf(head, sizeof head, "POST /v2/models/row-id/infer HTTP/1.1\r\nContent-Length: %zu\r\n\r\n",
                 (size_t)(at - body));
        caller_say(fd, head);
        caller_send(fd, body, (size_t)(at - body));
        caller_hear(fd, &a);
        assert_int_equal(a.status, broken ? 400 : 200);
        assert_non_null(strstr(a.body, broken ? "expected" : "\"shape\":[20000,3],\"data\":[0,1,2,1,2,3,2,3,4,"));
        close(fd);
    }
    assert_int_equal(server_metric(s, "slipway_rejected_total{model=\"row-id\",reason=\"invalid\"}"), 1);
    free(body);
    assert_int_equal(server_stop(s), 0);
}

/* ---- many callers ---- */

struct crowd {
    server *s;
    atomic_bool stop;
    atomic_int wrong, asked;
    atomic_int next;
    bool some_leave;
};

static void *one_of_the_crowd(void *user)
{
    struct crowd *c = user;
    int me = atomic_fetch_add(&c->next, 1), fd = caller_open(c->s->address);
    struct answer *mine = malloc(sizeof *mine);
    for (int i = 0; !atomic_load(&c->stop); i++) {
        float row = (float)(me * 10000 + i % 5000);
        caller_ask_row(fd, row);
        atomic_fetch_add(&c->asked, 1);
        if (c->some_leave && i % 7 == me % 7) {
            close(fd);
            fd = caller_open(c->s->address);
            continue;
        }
        if (!answer_is_row(caller_hear(fd, mine), row)) {
            fprintf(stderr, "caller %d, row %g: %d %s\n", me, (double)row, mine->status, mine->body);
            atomic_fetch_add(&c->wrong, 1);
            break;
        }
    }
    close(fd);
    free(mine);
    return NULL;
}

static void with_crowd(struct crowd *c, int count, void (*meanwhile)(struct crowd *c))
{
    pthread_t threads[16];
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, one_of_the_crowd, c);
    meanwhile(c);
    atomic_store(&c->stop, true);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void wait_a_while(struct crowd *c)
{
    while (atomic_load(&c->asked) < 6000 && !atomic_load(&c->wrong))
        usleep(1000);
}

/* 16 callers, two lanes, some leave in the middle of everything: nobody gets another's row. */
static void test_rows_keep_their_identity_in_a_crowd(void **state)
{
    (void)state;
    for (int inline_us = 0; inline_us <= 50; inline_us += 50) {
        sw_serving_options o = one_lane();
        o.lanes = 2;
        o.inline_us = inline_us;
        server *s = server_start(&o);
        s->model.slow_us = 20;
        struct crowd c = {.s = s, .some_leave = true};
        with_crowd(&c, 16, wait_a_while);
        assert_int_equal(c.wrong, 0);
        assert_int_equal(server_stop(s), 0);
    }
}

static void flip_a_hundred_times(struct crowd *c)
{
    for (int i = 0; i < 100; i++) {
        atomic_store(&c->s->model.wanted, 1 + (i + 1) % 2);
        int target = i + 2;
        while (atomic_load(&c->s->model.loaded) < target)
            usleep(200);
    }
}

/* The alias is moved 100 times under 16 connections: no request fails, and every old version is freed. */
static void test_a_hundred_swaps_lose_no_request(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    o.lanes = 2;
    o.poll_ms = 1;
    server *s = server_start(&o);
    struct crowd c = {.s = s};
    with_crowd(&c, 16, flip_a_hundred_times);
    assert_int_equal(c.wrong, 0);
    while (server_metric(s, "slipway_reloads_total{model=\"row-id\"}") < 100)
        usleep(1000);
    while (atomic_load(&s->model.freed) < 100)
        usleep(1000);
    assert_int_equal(server_metric(s, "slipway_failed_total{model=\"row-id\"}"), 0);
    assert_int_equal(server_stop(s), 0);
}

static void test_a_version_that_does_not_load_leaves_the_old_one(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    atomic_store(&s->model.fail_loads, 1);
    atomic_store(&s->model.wanted, 2);
    while (server_metric(s, "slipway_reload_failures_total{model=\"row-id\"}") < 1)
        usleep(1000);
    assert_int_equal(server_metric(s, "slipway_model_version{model=\"row-id\"}"), 1);
    assert_true(sw_serving_ready(s->serving));
    atomic_store(&s->model.wanted, 3);
    while (server_metric(s, "slipway_model_version{model=\"row-id\"}") != 3)
        usleep(1000);
    assert_int_equal(server_stop(s), 0);
}

/* A version that loads but cannot answer its own warm-up is not put in place. */
static void test_a_version_that_fails_its_warm_up_is_not_served(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    atomic_store(&s->model.fail_runs_of, 2);
    atomic_store(&s->model.wanted, 2);
    while (server_metric(s, "slipway_reload_failures_total{model=\"row-id\"}") < 1)
        usleep(1000);
    int fd = caller_open(s->address);
    caller_ask_row(fd, 5);
    assert_true(answer_is_row(caller_hear(fd, &a), 5));
    assert_non_null(strstr(a.body, "\"model_version\":\"1\""));
    close(fd);
    assert_int_equal(s->model.freed, 1); /* and what was loaded is gone */
    assert_int_equal(server_stop(s), 0);
}

/* ---- the end ---- */

static void drain(sw_post *post)
{
    server *s = (server *)((char *)post - offsetof(server, drain));
    sw_serving_drain(s->serving, s->grace_ms);
}

static void test_drain_is_not_ready_but_live_and_answers_to_the_last(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    server *s = server_start(&o);
    int fd = caller_open(s->address), slow = caller_open(s->address);
    s->grace_ms = 300;
    s->drain.run = drain;
    sw_loop_post(s->loop, &s->drain);
    while (sw_serving_ready(s->serving))
        usleep(1000);
    caller_ask(fd, "GET", "/v2/health/ready", "", "");
    assert_int_equal(caller_hear(fd, &a)->status, 503);
    close(fd);
    fd = caller_open(s->address); /* new callers are still taken */
    caller_ask(fd, "GET", "/v2/health/live", "", "");
    assert_int_equal(caller_hear(fd, &a)->status, 200);
    assert_non_null(strstr(a.head, "Connection: close\r\n"));
    close(fd);
    server_block_lane(s);
    caller_ask_row(slow, 1); /* in flight when the grace ends */
    server_wait_until_running(s);
    usleep(400000);
    server_unblock_lane(s);
    assert_true(answer_is_row(caller_hear(slow, &a), 1));
    close(slow);
    pthread_join(s->thread, NULL); /* the loop ends by itself */
    assert_int_equal(sw_serving_outcome(s->serving), SW_OK);
    pthread_create(&s->thread, NULL, server_main, s);
    assert_int_equal(server_stop(s), 0);
}

/* ---- memory ---- */

static void test_a_request_in_steady_state_allocates_nothing(void **state)
{
    (void)state;
    for (int inline_us = 0; inline_us <= 50; inline_us += 50) {
        sw_serving_options o = one_lane();
        o.inline_us = inline_us;
        o.poll_ms = 10000;
        server *s = server_start(&o);
        int fd = caller_open(s->address);
        uint64_t calls = 0;
        for (int i = 0; i < 1020; i++) {
            if (i == 20)
                calls = sw_alloc_calls(s->ctx);
            caller_ask_row(fd, (float)(i % 100));
            assert_true(answer_is_row(caller_hear(fd, &a), (float)(i % 100)));
        }
        assert_int_equal(sw_alloc_calls(s->ctx), calls);
        close(fd);
        assert_int_equal(server_stop(s), 0);
    }
}

static void test_running_out_of_memory_in_a_request_is_a_status(void **state)
{
    (void)state;
    sw_serving_options o = one_lane();
    o.inline_us = 1000000; /* everything on one thread, so that the N-th allocation is always the same one */
    o.poll_ms = 10000;
    int answered = 0, refused = 0;
    for (uint64_t nth = 1; answered == 0; nth++) {
        server *s = server_start(&o);
        int fd = caller_open(s->address);
        caller_ask(fd, "GET", "/v2/health/live", "", ""); /* the connection is there */
        caller_hear(fd, &a);
        sw_alloc_fail_at(s->ctx, nth);
        caller_ask_row(fd, 1);
        caller_hear(fd, &a);
        bool failed = sw_alloc_failed(s->ctx);
        sw_alloc_fail_at(s->ctx, 0);
        if (failed) {
            assert_int_equal(a.status, 503);
            assert_non_null(strstr(a.body, "{\"error\":\""));
            refused++;
        } else {
            assert_true(answer_is_row(&a, 1));
            answered++;
        }
        close(fd);
        assert_int_equal(server_stop(s), 0);
    }
    assert_true(refused > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_metadata_and_a_row),
        cmocka_unit_test(test_statuses_and_their_texts),
        cmocka_unit_test(test_leaver_is_dropped),
        cmocka_unit_test(test_a_full_queue_is_429_with_retry_after),
        cmocka_unit_test(test_deadlines_end_in_504_waiting_and_running),
        cmocka_unit_test(test_an_error_stays_with_its_caller),
        cmocka_unit_test(test_a_large_body_is_read_beside_the_loop),
        cmocka_unit_test(test_rows_keep_their_identity_in_a_crowd),
        cmocka_unit_test(test_a_hundred_swaps_lose_no_request),
        cmocka_unit_test(test_a_version_that_does_not_load_leaves_the_old_one),
        cmocka_unit_test(test_a_version_that_fails_its_warm_up_is_not_served),
        cmocka_unit_test(test_drain_is_not_ready_but_live_and_answers_to_the_last),
        cmocka_unit_test(test_a_request_in_steady_state_allocates_nothing),
        cmocka_unit_test(test_running_out_of_memory_in_a_request_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
