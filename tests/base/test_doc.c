/* What doc.h promises: one tree for YAML and JSON, places in messages, limits, a schema table, no leaks when memory
 * fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/doc.h"

static sw_context *ctx;
static sw_arena *arena;

static int set_up(void **state)
{
    (void)state;
    ctx = sw_context_create(NULL);
    arena = sw_arena_new(ctx);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sw_arena_free(arena);
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

static sw_doc *yaml(const char *text)
{
    sw_doc *doc = NULL;
    return sw_doc_yaml(arena, "recipe.yaml", text, strlen(text), &doc) == SW_OK ? doc : NULL;
}

static sw_doc *json(const char *text)
{
    sw_doc *doc = NULL;
    return sw_doc_json(arena, "a.json", text, strlen(text), &doc) == SW_OK ? doc : NULL;
}

static void test_yaml_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sw_doc_kind kind;
        double number;
    } cases[] = {
        {"12", SW_DOC_INT, 12},
        {"-3", SW_DOC_INT, -3},
        {"0x1f", SW_DOC_INT, 31},
        {"0o17", SW_DOC_INT, 15},
        {"1e-3", SW_DOC_NUMBER, 1e-3},
        {"1.5", SW_DOC_NUMBER, 1.5},
        {".5", SW_DOC_NUMBER, .5},
        {"2.", SW_DOC_NUMBER, 2},
        {"99999999999999999999", SW_DOC_NUMBER, 1e20},
        {"true", SW_DOC_BOOL, 0},
        {"false", SW_DOC_BOOL, 0},
        {"~", SW_DOC_NULL, 0},
        {"null", SW_DOC_NULL, 0},
        {"yes", SW_DOC_STRING, 0},
        {"1:30", SW_DOC_STRING, 0},
        {"'12'", SW_DOC_STRING, 0},
        {"\"true\"", SW_DOC_STRING, 0},
        {"nan", SW_DOC_STRING, 0},
        {"0x", SW_DOC_STRING, 0},
        {"1e", SW_DOC_STRING, 0},
        {"1_000", SW_DOC_STRING, 0},
        {"log(1e-4, 1e-2)", SW_DOC_STRING, 0},
        {"-", SW_DOC_LIST, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sw_doc *doc = yaml(cases[i].text);
        assert_non_null(doc);
        if (doc->kind != cases[i].kind)
            fail_msg("'%s' is of kind %d, wanted %d", cases[i].text, (int)doc->kind, (int)cases[i].kind);
        if (doc->kind == SW_DOC_INT || doc->kind == SW_DOC_NUMBER)
            assert_true(doc->number == cases[i].number);
    }
}

static void test_yaml_nodes_know_their_places(void **state)
{
    (void)state;
    sw_doc *doc = yaml("name: fashion\nmodel:\n  - conv 32 3 relu\n  - dense 10\ntrain: {lr: 1e-3, batch: 64}\n");
    assert_non_null(doc);
    assert_int_equal(doc->count, 3);
    const sw_doc *model = sw_doc_get(doc, "model"), *train = sw_doc_get(doc, "train");
    assert_int_equal(model->kind, SW_DOC_LIST);
    assert_int_equal(model->items[1]->line, 4);
    assert_int_equal(model->items[1]->column, 5);
    assert_string_equal(model->items[1]->string, "dense 10");
    assert_int_equal(train->key_at[1]->line, 5);
    assert_int_equal(train->key_at[1]->column, 19);
    assert_int_equal(sw_doc_get(train, "batch")->integer, 64);
    assert_null(sw_doc_get(train, "epochs"));
    assert_int_equal(sw_doc_fail(model->items[0], "unknown layer '%s'", "convv"), SW_INVALID);
    assert_string_equal(sw_error_text(), "recipe.yaml:3:5: unknown layer 'convv'");
}

static void assert_refused(const char *text, const char *message)
{
    sw_error_clear();
    assert_null(yaml(text));
    if (!strstr(sw_error_text(), message))
        fail_msg("'%s' said '%s', wanted '%s'", text, sw_error_text(), message);
}

static void test_yaml_refuses_what_could_surprise(void **state)
{
    (void)state;
    assert_refused("a: &x 1\nb: *x\n", "recipe.yaml:1:4: anchors");
    assert_refused("a: 1\nb: *x\n", "2:4: aliases");
    assert_refused("a: !!str 1\n", "tags");
    assert_refused("a: &x [1]\n", "anchors");
    assert_refused("a: 1\nb: 2\na: 3\n", "3:1: the key 'a' stands here for the second time (first in line 1)");
    assert_refused("a: 1\n---\nb: 2\n", "second document");
    assert_refused("{[1]: 2}\n", "a key must be text");
    assert_refused("a: [1, 2\n", "recipe.yaml:");
    assert_refused("a: \"\\0\"\n", "NUL");
    assert_refused("a:\n\t- b\n", "recipe.yaml:2:1");
}

static void test_depth_is_limited_and_not_by_the_stack(void **state)
{
    (void)state;
    char deep[20001];
    memset(deep, '[', sizeof deep);
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    assert_non_null(yaml(deep));
    assert_non_null(json(deep));
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    deep[130] = '\0';
    assert_null(yaml(deep));
    assert_non_null(strstr(sw_error_text(), "1:65: nested"));
    assert_null(json(deep));
    assert_non_null(strstr(sw_error_text(), "nested"));
    memset(deep, '[', 20000);
    deep[20000] = '\0';
    assert_null(yaml(deep));
    assert_null(json(deep));
}

static void test_empty_text_is_null(void **state)
{
    (void)state;
    assert_int_equal(yaml("")->kind, SW_DOC_NULL);
    assert_int_equal(yaml("# only a comment\n")->kind, SW_DOC_NULL);
    assert_int_equal(yaml("---\n")->kind, SW_DOC_NULL);
    assert_null(json(""));
}

static void test_json_makes_the_same_tree(void **state)
{
    (void)state;
    sw_doc *doc = json("{\"z\": 1, \"a\": [true, null, 2.5, \"t\\u00e9\"], \"m\": {}}");
    assert_non_null(doc);
    assert_string_equal(doc->keys[0], "z");
    assert_string_equal(doc->keys[2], "m");
    const sw_doc *list = sw_doc_get(doc, "a");
    assert_int_equal(list->count, 4);
    assert_true(list->items[0]->boolean);
    assert_int_equal(list->items[1]->kind, SW_DOC_NULL);
    assert_true(list->items[2]->number == 2.5);
    assert_string_equal(list->items[2]->string, "2.5");
    assert_string_equal(list->items[3]->string, "t\xc3\xa9");
    assert_null(json("{\"a\": 1,\n \"a\": 2}"));
    assert_non_null(strstr(sw_error_text(), "a.json:2:"));
    assert_null(json("[1, 2] x"));
    assert_null(json("{\"a\": \"\\u0000\"}"));
    assert_null(json("\"\xff\""));
}

struct settings {
    const char *name;
    int64_t batch;
    double lr;
    bool nesterov;
    const sw_doc *model;
};

static const sw_field fields[] = {
    {"name", SW_FIELD_STRING, offsetof(struct settings, name), .required = true},
    {"batch", SW_FIELD_INT, offsetof(struct settings, batch), .low = 1, .high = 65536},
    {"lr", SW_FIELD_NUMBER, offsetof(struct settings, lr), .low = 0, .high = 10},
    {"nesterov", SW_FIELD_BOOL, offsetof(struct settings, nesterov)},
    {"model", SW_FIELD_ANY, offsetof(struct settings, model)},
};

static void test_a_schema_reads_and_complains(void **state)
{
    (void)state;
    struct settings s = {.batch = 32, .lr = 0.1};
    assert_int_equal(sw_doc_read(yaml("name: 7\nlr: 1\nnesterov: true\nbatch: 1e2\nmodel: [a]\n"), fields, 5, &s),
                     SW_OK);
    assert_string_equal(s.name, "7");
    assert_true(s.lr == 1.0 && s.nesterov && s.batch == 100 && s.model->count == 1);

    static const struct {
        const char *text, *message;
    } bad[] = {
        {"name: a\nbacth: 3\n", "recipe.yaml:2:1: unknown key 'bacth' (did you mean 'batch'?)"},
        {"name: a\nzzzzzz: 3\n", "2:1: unknown key 'zzzzzz' (known: name, batch, lr, nesterov, model)"},
        {"name: a\nbatch: many\n", "2:8: 'batch' is many, needs an integer"},
        {"name: a\nbatch: 0\n", "2:8: 'batch' is 0, needs 1 to 65536"},
        {"name: a\nbatch: 1.5\n", "needs an integer"},
        {"name: a\nlr: [1]\n", "2:5: 'lr' is a list, needs a number"},
        {"name: a\nlr: .nan\n", "needs 0 to 10"},
        {"name: a\nnesterov: yes\n", "needs true or false"},
        {"name: {}\n", "1:7: 'name' is a map, needs text"},
        {"batch: 3\n", "1:1: the key 'name' is missing"},
        {"- 1\n", "1:1: is a list, needs a map"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sw_doc_read(yaml(bad[i].text), fields, 5, &s), SW_INVALID);
        if (!strstr(sw_error_text(), bad[i].message))
            fail_msg("said '%s', wanted '%s'", sw_error_text(), bad[i].message);
    }
}

static void test_nearest_is_within_two_edits(void **state)
{
    (void)state;
    const char *const names[] = {"conv", "dense", "maxpool", "relu", "lr"};
    assert_string_equal(sw_nearest("convv", names, 5), "conv");
    assert_string_equal(sw_nearest("desne", names, 5), "dense");
    assert_string_equal(sw_nearest("maxpol", names, 5), "maxpool");
    assert_null(sw_nearest("attention", names, 5));
    assert_null(sw_nearest("xy", names, 5));
    assert_null(sw_nearest("", names, 5));
}

/* Every allocation in turn fails: a status, a text, nothing leaked (tear_down counts), and the next try works. */
static void test_every_failing_allocation_is_an_answer(void **state)
{
    (void)state;
    const char *text = "name: a\nmodel: [conv 3, {dense: 1, b: [1, 2, 3]}]\ntrain: {lr: 1}\n";
    for (uint64_t n = 1;; n++) {
        sw_arena *own = sw_arena_new(ctx);
        sw_doc *doc;
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_doc_yaml(own, "r", text, strlen(text), &doc);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        sw_arena_free(own);
        assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
        if (!failed)
            break;
    }
    for (uint64_t n = 1;; n++) {
        sw_arena *own = sw_arena_new(ctx);
        sw_doc *doc;
        const char *same = "{\"a\": [1, 2, {\"b\": \"c\"}], \"d\": 1.5}";
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_doc_json(own, "r", same, strlen(same), &doc);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        sw_arena_free(own);
        assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
        if (!failed)
            break;
    }
}

static void test_a_file_is_read_by_its_name(void **state)
{
    (void)state;
    sw_doc *doc;
    assert_int_equal(sw_doc_file(arena, "/nonexistent/x.yaml", &doc), SW_NOT_FOUND);
    assert_int_equal(sw_doc_file(arena, "/", &doc), SW_INVALID);
    assert_non_null(strstr(sw_error_text(), "folder"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_yaml_scalars_follow_the_core_schema),
        TEST(test_yaml_nodes_know_their_places),
        TEST(test_yaml_refuses_what_could_surprise),
        TEST(test_depth_is_limited_and_not_by_the_stack),
        TEST(test_empty_text_is_null),
        TEST(test_json_makes_the_same_tree),
        TEST(test_a_schema_reads_and_complains),
        TEST(test_nearest_is_within_two_edits),
        TEST(test_every_failing_allocation_is_an_answer),
        TEST(test_a_file_is_read_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
