/* Real models behind the server: compiled plans from a store and from files, asked as arrays and as pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>
#include <spng.h>

#include "base/arena.h"
#include "base/clock.h"
#include "fake.h"
#include "serve/sources.h"
#include "slipway/ops.h"
#include "slipway/store.h"

enum { SIDE = 4, CLASSES = 3 };
static const char *const class_names[] = {"dark", "grey", "bright"};
static char folder[] = "/tmp/slipway-serve-XXXXXX";

/* A model of a picture's mean: logits = [0.5 - m, 0, m - 0.5] * 10 * sign, m in 0..1. With sign -1 it says the
 * opposite. */
static sw_graph *brightness(sw_context *ctx, double sign)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_dim n = sw_symbol(g, "N");
    sw_value *x = sw_input_declare(g, "image", SW_TYPE(SW_U8, n, SIDE, SIDE, 1));
    x = sw_mul_scalar(g, sw_cast(g, sw_reshape(g, x, SW_DIMS(-1, SIDE * SIDE)), SW_F32), 1.0 / 255);
    float w[SIDE * SIDE][CLASSES], b[CLASSES] = {(float)(5 * sign), 0, (float)(-5 * sign)};
    for (int i = 0; i < SIDE * SIDE; i++) {
        w[i][0] = (float)(-10 * sign / (SIDE * SIDE));
        w[i][1] = 0;
        w[i][2] = -w[i][0];
    }
    sw_tensor *weights = sw_tensor_from(ctx, SW_F32, SW_DIMS(SIDE * SIDE, CLASSES), w);
    sw_tensor *bias = sw_tensor_from(ctx, SW_F32, SW_DIMS(CLASSES), b);
    sw_value *y = sw_add(g, sw_matmul(g, x, sw_constant(g, weights)), sw_constant(g, bias));
    sw_output(g, "probabilities", sw_softmax(g, y, 1));
    sw_tensor_release(weights);
    sw_tensor_release(bias);
    if (!sw_ok(g))
        fprintf(stderr, "model: %s\n", sw_graph_error(g));
    return g;
}

static void write_model(sw_context *ctx, const char *path, double sign)
{
    sw_graph *g = brightness(ctx, sign);
    sw_artifact_info info = {.size = sizeof info, .classes = class_names, .class_count = CLASSES};
    if (sw_artifact_write(g, &info, path) != SW_OK)
        fail_msg("%s", sw_error_text());
    sw_graph_free(g);
}

static void publish(sw_store *store, const char *path, const char *alias)
{
    sw_model_file file = {.name = "model.onnx", .path = path};
    sw_model_port input = {"image", "u8", "[N, 4, 4, 1]"}, output = {"probabilities", "f32", "[N, 3]"};
    sw_publication p = {.size = sizeof p,
                        .model = "light",
                        .files = &file,
                        .file_count = 1,
                        .inputs = &input,
                        .outputs = &output,
                        .input_count = 1,
                        .output_count = 1,
                        .classes = class_names,
                        .class_count = CLASSES,
                        .alias = alias};
    int64_t version;
    if (sw_model_publish(store, &p, &version) != SW_OK)
        fail_msg("%s", sw_error_text());
}

static size_t make_png(uint8_t value, int side, uint8_t *png, size_t room)
{
    uint8_t pixels[64 * 64];
    memset(pixels, value, sizeof pixels);
    spng_ctx *enc = spng_ctx_new(SPNG_CTX_ENCODER);
    spng_set_option(enc, SPNG_ENCODE_TO_BUFFER, 1);
    struct spng_ihdr head = {
        .width = (uint32_t)side, .height = (uint32_t)side, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_GRAYSCALE};
    spng_set_ihdr(enc, &head);
    spng_encode_image(enc, pixels, (size_t)(side * side), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    size_t size;
    int error;
    void *bytes = spng_get_png_buffer(enc, &size, &error);
    assert_true(size <= room);
    memcpy(png, bytes, size);
    free(bytes);
    spng_ctx_free(enc);
    return size;
}

/* ---- a server around a source ---- */

static server *serve_source(sw_context *ctx, const char *name, sw_source *source)
{
    server *s = calloc(1, sizeof *s);
    sw_serving_options o = SW_SERVING_DEFAULTS;
    o.poll_ms = 5;
    o.lanes = 2;
    s->ctx = ctx;
    s->loop = sw_loop_new(ctx);
    s->serving = sw_serving_new(s->loop, &o);
    if (sw_serving_add(s->serving, name, source) != SW_OK ||
        sw_serving_start(s->serving, "127.0.0.1:0", s->address) != SW_OK)
        fail_msg("%s", sw_error_text());
    pthread_create(&s->thread, NULL, server_main, s);
    for (uint64_t begun = sw_now_ns(); !sw_serving_ready(s->serving); usleep(500))
        if (sw_now_ns() - begun > 20000000000ull || sw_serving_outcome(s->serving) != SW_OK)
            fail_msg("not ready: %s", sw_error_text());
    return s;
}

static void end_serving(server *s)
{
    sw_loop_stop(s->loop);
    pthread_join(s->thread, NULL);
    sw_serving_free(s->serving);
    sw_loop_free(s->loop);
    free(s);
}

static sw_context *new_context(void)
{
    sw_context *ctx = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .threads = 2});
    if (!ctx)
        fail_msg("%s", sw_error_text());
    return ctx;
}

static struct answer a;

static void ask_picture(int fd, uint8_t value, int side)
{
    uint8_t png[4096];
    char head[256];
    size_t size = make_png(value, side, png, sizeof png);
    snprintf(head, sizeof head,
             "POST /v1/predict/light?top=2 HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: %zu\r\n\r\n", size);
    caller_say(fd, head);
    caller_send(fd, png, size);
}

static void ask_array(int fd, int value)
{
    char body[512];
    int size =
        snprintf(body, sizeof body,
                 "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"UINT8\",\"shape\":[1,4,4,1],\"data\":[%d", value);
    for (int i = 1; i < SIDE * SIDE; i++)
        size += snprintf(body + size, sizeof body - (size_t)size, ",%d", value);
    snprintf(body + size, sizeof body - (size_t)size, "]}]}");
    caller_ask(fd, "POST", "/v2/models/light/infer", "", body);
}

static void test_a_file_is_served_as_pictures_and_arrays(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s/light.onnx", folder);
    sw_context *ctx = new_context();
    write_model(ctx, path, 1);
    sw_source *source;
    assert_int_equal(sw_source_file(ctx, path, &source), SW_OK);
    server *s = serve_source(ctx, "light", source);
    int fd = caller_open(s->address);

    ask_picture(fd, 250, SIDE);
    caller_hear(fd, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(
        strstr(a.body, "{\"model\":\"light\",\"version\":1,\"tags\":[{\"label\":\"bright\",\"score\":0.99"));
    ask_picture(fd, 10, 33); /* any size: it is resampled */
    assert_non_null(strstr(caller_hear(fd, &a)->body, "\"tags\":[{\"label\":\"dark\",\"score\":0.99"));

    ask_array(fd, 0);
    caller_hear(fd, &a);
    assert_non_null(strstr(a.body, "\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[1,3],"));
    const double e5 = exp(5), sum = e5 + 1 + exp(-5);
    double got = atof(strstr(a.body, "\"data\":[") + 8);
    assert_true(fabs(got - e5 / sum) < 1e-5);

    caller_ask(fd, "POST", "/v1/predict/light", "", "no picture");
    caller_hear(fd, &a);
    assert_int_equal(a.status, 415);
    caller_ask(fd, "POST", "/v1/predict/light", "", "");
    assert_int_equal(caller_hear(fd, &a)->status, 400);

    /* The file is replaced: the other model answers, under the next number. */
    write_model(ctx, path, -1);
    for (uint64_t begun = sw_now_ns(); sw_now_ns() - begun < 20000000000ull; usleep(2000)) {
        ask_picture(fd, 250, SIDE);
        if (strstr(caller_hear(fd, &a)->body, "\"version\":2,"))
            break;
    }
    assert_non_null(strstr(a.body, "\"version\":2,\"tags\":[{\"label\":\"dark\""));
    close(fd);
    end_serving(s);
    assert_int_equal(sw_context_bytes(ctx) > (4 << 20), 0);
    sw_context_free(ctx);
}

/* ---- an alias that moves ---- */

struct crowd {
    server *s;
    atomic_bool stop;
    atomic_int asked, wrong;
};

/* Version 1 calls 250 bright, version 2 dark: an answer must agree with the version that it names. */
static void *ask_on(void *user)
{
    struct crowd *c = user;
    struct answer *mine = malloc(sizeof *mine);
    int fd = caller_open(c->s->address);
    for (int i = 0; !atomic_load(&c->stop); i++) {
        bool picture = i % 4 == 0;
        picture ? ask_picture(fd, 250, SIDE) : ask_array(fd, 250);
        caller_hear(fd, mine);
        bool odd = strstr(mine->body, picture ? "\"version\":1," : "\"model_version\":\"1\"") != NULL;
        bool bright = picture ? strstr(mine->body, "[{\"label\":\"bright\"") != NULL
                              : mine->status == 200 && atof(strstr(mine->body, "\"data\":[") + 8) < 0.5;
        if (mine->status != 200 || odd != bright) {
            fprintf(stderr, "%d %s\n", mine->status, mine->body);
            atomic_fetch_add(&c->wrong, 1);
            break;
        }
        atomic_fetch_add(&c->asked, 1);
    }
    close(fd);
    free(mine);
    return NULL;
}

#ifdef SW_SANITIZED
#define SANITIZED 1 /* what is freed is kept for a while */
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static long resident_kib(void)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmRSS: %ld", &kib);
    if (f)
        fclose(f);
    return kib;
}

static void test_an_alias_moved_a_hundred_times_loses_no_request(void **state)
{
    (void)state;
    char path[200], store_path[200];
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    snprintf(store_path, sizeof store_path, "%s/store", folder);
    sw_context *ctx = new_context();
    sw_store *store;
    assert_int_equal(sw_store_open(ctx, store_path, NULL, &store), SW_OK);
    write_model(ctx, path, 1);
    publish(store, path, "live");
    write_model(ctx, path, -1);
    publish(store, path, NULL);
    sw_source *source;
    assert_int_equal(sw_source_store(ctx, store, "light@live", &source), SW_OK);
    server *s = serve_source(ctx, "light", source);

    struct crowd c = {.s = s};
    pthread_t threads[16];
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, ask_on, &c);
    uint64_t held = 0;
    long resident = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sw_alias_set(store, "light", "live", 1 + (i + 1) % 2), SW_OK);
        while (server_metric(s, "slipway_model_version{model=\"light\"}") != 1 + (i + 1) % 2)
            usleep(500);
        if (i == 9) {
            held = sw_context_bytes(ctx);
            resident = resident_kib();
        }
    }
    atomic_store(&c.stop, true);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c.wrong, 0);
    assert_true(c.asked > 100);
    assert_int_equal(server_metric(s, "slipway_reloads_total{model=\"light\"}"), 100);
    /* 90 versions later as much is held as before: what was swapped out was freed. */
    assert_true(sw_context_bytes(ctx) < held + (4 << 20));
    long grown = resident_kib() - resident;
    if (!SANITIZED && grown > 8 << 10)
        fail_msg("90 versions left %ld KiB behind", grown);
    end_serving(s);
    sw_store_close(store);
    sw_context_free(ctx);
}

static void test_steady_requests_to_a_plan_allocate_nothing(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s/steady.onnx", folder);
    sw_context *ctx = new_context();
    write_model(ctx, path, 1);
    sw_source *source;
    assert_int_equal(sw_source_file(ctx, path, &source), SW_OK);
    server *s = serve_source(ctx, "light", source);
    int fd = caller_open(s->address);
    uint64_t calls = 0;
    for (int i = 0; i < 1050; i++) {
        if (i == 50)
            calls = sw_alloc_calls(ctx);
        ask_array(fd, 100 + i % 156); /* bodies of one size */
        assert_int_equal(caller_hear(fd, &a)->status, 200);
    }
    assert_int_equal(sw_alloc_calls(ctx), calls);
    close(fd);
    end_serving(s);
    sw_context_free(ctx);
}

/* Decoding, resampling, running, naming: whatever allocation fails on the way, the caller is told. */
static void test_running_out_of_memory_over_a_picture_is_a_status(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s/memory.onnx", folder);
    sw_context *ctx = new_context();
    write_model(ctx, path, 1);
    int refused = 0;
    for (uint64_t nth = 1, answered = 0; !answered; nth++) {
        sw_source *source;
        assert_int_equal(sw_source_file(ctx, path, &source), SW_OK);
        server *s = serve_source(ctx, "light", source);
        int fd = caller_open(s->address);
        caller_ask(fd, "GET", "/v2/health/live", "", ""); /* the connection is there */
        caller_hear(fd, &a);
        sw_alloc_fail_at(ctx, nth);
        ask_picture(fd, 250, 9);
        caller_hear(fd, &a);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_int_equal(a.status, failed ? 503 : 200);
        refused += failed;
        answered = !failed;
        close(fd);
        end_serving(s);
    }
    assert_true(refused > 5);
    sw_context_free(ctx);
}

static void test_names_and_kinds_of_targets(void **state)
{
    (void)state;
    char name[129];
    assert_int_equal(sw_target_name("fashion@production", name), SW_OK);
    assert_string_equal(name, "fashion");
    assert_int_equal(sw_target_name("models/shoes v2.onnx", name), SW_OK);
    assert_string_equal(name, "shoes_v2");
    assert_int_equal(sw_target_name("https://h/m/net.onnx?x=1#sha256=00", name), SW_OK);
    assert_string_equal(name, "net");
    assert_true(sw_target_is_stored("fashion:3"));
    assert_false(sw_target_is_stored("./fashion"));
    sw_context *ctx = new_context();
    sw_source *source;
    assert_int_equal(sw_source_url(ctx, "https://h/m.onnx#sha256=12", folder, &source), SW_INVALID);
    assert_int_equal(sw_source_url(ctx, "ftp://h/m.onnx", folder, &source), SW_UNSUPPORTED);
    sw_context_free(ctx);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_served_as_pictures_and_arrays),
        cmocka_unit_test(test_an_alias_moved_a_hundred_times_loses_no_request),
        cmocka_unit_test(test_steady_requests_to_a_plan_allocate_nothing),
        cmocka_unit_test(test_running_out_of_memory_over_a_picture_is_a_status),
        cmocka_unit_test(test_names_and_kinds_of_targets),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
