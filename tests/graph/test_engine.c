/* Backends, the choice of kernels, teams, executors, sequences: what engine.h and sequence.h promise. */
#include "support.h"

#include "graph/sequence.h"

static char logged[2048];

static void take_line(void *user, sw_log_level level, const char *line)
{
    (void)user, (void)level;
    strncat(logged, line, sizeof logged - strlen(logged) - 2);
    strcat(logged, "\n");
}

/* A bare context: this file's own backend and executor, and no others. */
static int setup(void **state)
{
    logged[0] = '\0';
    *state = sw_context_create(
        &(sw_context_options){.size = sizeof(sw_context_options), .trace = "kernels", .log = take_line});
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    sw_context_free(*state);
    return 0;
}

static sw_status infer_same(sw_infer *infer)
{
    infer->outputs[0] = *sw_value_type(sw_node_input(infer->node, 0));
    return SW_OK;
}

static sw_status negate(const sw_call *call)
{
    for (int64_t i = 0; i < sw_view_count(&call->inputs[0]); i++)
        ((double *)call->outputs[0].data)[i] = -((const double *)call->inputs[0].data)[i];
    return SW_OK;
}

static const sw_op neg_row = {
    .struct_size = sizeof(sw_op),
    .name = "Neg",
    .doc = "-x.",
    .inputs = {{"x", SW_FLOATING}},
    .outputs = {{"y", 0, SW_SAME_AS("x")}},
    .infer = infer_same,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .reference = negate,
};

/* ---- kernels ---- */
static const char *skip_always(const sw_site *site)
{
    (void)site;
    return "no such processor";
}

static sw_status prepare_status;
static sw_status prepare(const sw_site *site, sw_prepared *prepared)
{
    (void)site;
    prepared->scratch_bytes = 64;
    return prepare_status == SW_OK ? SW_OK : sw_fail(prepare_status, "the library says no");
}

static const sw_kernel fast = {.name = "fast", .op = "Neg", .skips = skip_always, .run = negate};
static const sw_kernel library = {.name = "library", .op = "Neg", .prepare = prepare, .run = negate};
static const sw_kernel plain = {.name = "plain", .op = "Neg", .run = negate};
static const sw_kernel *const all[] = {&fast, &library, &plain, NULL}, *const few[] = {&fast, &library, NULL};

static const sw_kernel *const *some(const sw_backend *backend, const char *op)
{
    return strcmp(op, "Neg") == 0 ? backend->user : NULL;
}

static sw_value *node_for(sw_graph *g)
{
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F64, 2));
    return sw_node_add_op(g, &neg_row, &x, 1, NULL, 0, NULL, 0);
}

static void test_the_first_kernel_that_applies_and_prepares_is_chosen(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_site site = {.ctx = *state, .node = node_for(g)->node, .threads = 1};
    sw_backend backend = {.name = "own", .candidates = some, .user = (void *)all};
    const sw_kernel *kernel;
    sw_prepared prepared;
    prepare_status = SW_OK;
    assert_ok(sw_kernel_choose(&backend, &site, &kernel, &prepared));
    assert_ptr_equal(kernel, &library);
    assert_int_equal(prepared.scratch_bytes, 64);
    assert_non_null(strstr(logged, "kernels: Neg 'Neg_1': fast skipped: no such processor\n"));
    assert_non_null(strstr(logged, "kernels: Neg 'Neg_1': library takes it\n"));

    prepare_status = SW_UNSUPPORTED; /* a reason to ask the next one */
    assert_ok(sw_kernel_choose(&backend, &site, &kernel, &prepared));
    assert_ptr_equal(kernel, &plain);
    assert_int_equal(prepared.scratch_bytes, 0);

    prepare_status = SW_NO_MEMORY; /* a reason to stop */
    assert_int_equal(sw_kernel_choose(&backend, &site, &kernel, &prepared), SW_NO_MEMORY);
    assert_string_equal(sw_error_text(), "Neg 'Neg_1': the library says no");

    prepare_status = SW_UNSUPPORTED;
    backend.user = (void *)few;
    assert_int_equal(sw_kernel_choose(&backend, &site, &kernel, &prepared), SW_UNSUPPORTED);
    assert_string_equal(sw_error_text(),
                        "Neg 'Neg_1': backend 'own' has no kernel for it (fast: no such processor; library: the "
                        "library says no)");
    sw_graph_free(g);
}

static void test_backends_have_names(void **state)
{
    static const sw_backend one = {.name = "one", .candidates = some}, two = {.name = "two", .candidates = some};
    static const sw_backend bad = {.name = "bad"};
    assert_null(sw_backend_find(*state, "one"));
    assert_ok(sw_backend_register(*state, &one));
    assert_ok(sw_backend_register(*state, &two));
    assert_int_equal(sw_backend_register(*state, &one), SW_EXISTS);
    assert_int_equal(sw_backend_register(*state, &bad), SW_INVALID);
    assert_ptr_equal(sw_backend_find(*state, "two"), &two);
    assert_null(sw_backend_find(*state, "three"));
}

/* ---- teams ---- */
struct tally {
    int calls, parts[8], runs;
};

static void count_part(void *user, int part)
{
    struct tally *tally = user;
    tally->calls++;
    tally->parts[part]++;
}

static struct tally *of_team;
static void team_run(sw_team *team, int parts, void (*body)(void *user, int part), void *user)
{
    (void)team;
    of_team->runs++;
    for (int part = parts; part-- > 0;) /* any order */
        body(user, part);
}

static void test_each_part_runs_once_inline_or_by_the_team(void **state)
{
    (void)state;
    struct tally tally = {0};
    of_team = &tally;
    sw_team team = {.size = 4, .run = team_run}, alone = {.size = 1, .run = team_run};
    sw_team_run(NULL, 5, count_part, &tally);
    sw_team_run(&alone, 5, count_part, &tally);
    sw_team_run(&team, 1, count_part, &tally);
    assert_int_equal(tally.runs, 0);
    sw_team_run(&team, 5, count_part, &tally);
    assert_int_equal(tally.runs, 1);
    assert_int_equal(tally.calls, 16);
    assert_int_equal(tally.parts[4], 3);
    sw_team_run(&team, 0, count_part, &tally);
    assert_int_equal(tally.calls, 16);
    assert_int_equal(sw_team_size(NULL), 1);
}

/* ---- executors ---- */
struct own {
    sw_executor base;
    int executed, released;
    sw_dtype gives;
};

static sw_status own_execute(sw_executor *executor, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs)
{
    struct own *own = (struct own *)executor;
    own->executed++;
    if (own->gives == SW_F64)
        return sw_reference_execute(sw_graph_context(node->graph), node, inputs, outputs);
    outputs[0] = sw_tensor_zeros(sw_graph_context(node->graph), own->gives, SW_DIMS(2));
    return outputs[0] ? SW_OK : sw_alloc_status();
}

static void own_release(sw_context *ctx, sw_executor *executor)
{
    (void)ctx;
    ((struct own *)executor)->released++;
}

static void test_an_awake_graph_computes_through_its_executor(void **state)
{
    (void)state;
    struct own own = {{own_execute, own_release}, .gives = SW_F64};
    sw_context *ctx = sw_context_create(NULL);
    assert_ok(sw_executor_attach(ctx, &own.base));
    assert_int_equal(sw_executor_attach(ctx, &own.base), SW_EXISTS);
    sw_tensor *t = sw_tensor_from(ctx, SW_F64, SW_DIMS(2), (double[]){1, 2});
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_value *x = sw_input(g, t), *y = sw_node_add_op(g, &neg_row, &x, 1, NULL, 0, NULL, 0);
    assert_true(number(y) == -1);
    assert_int_equal(own.executed, 1);
    sw_tensor_release(t);
    own.gives = SW_F32; /* what is computed must be what was inferred */
    assert_null(sw_node_add_op(g, &neg_row, &x, 1, NULL, 0, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Neg 'Neg_2': output 0 was inferred as f64[2] and computed as f32[2]");
    sw_graph_free(g);
    assert_int_equal(sw_context_bytes(ctx) > 0, 1); /* the registry */
    sw_context_free(ctx);
    assert_int_equal(own.released, 1);
}

static void test_without_an_executor_reference_bodies_compute(void **state)
{
    sw_tensor *t = sw_tensor_from(*state, SW_F64, SW_DIMS(2), (double[]){1, 2});
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_value *x = sw_input(g, t);
    assert_true(number(sw_node_add_op(g, &neg_row, &x, 1, NULL, 0, NULL, 0)) == -1);
    sw_tensor_release(t);
    sw_graph_free(g);
}

/* ---- sequences ---- */
static void test_sequences_share_their_tensors_and_do_not_change(void **state)
{
    sw_context *ctx = *state;
    uint64_t before = sw_context_bytes(ctx);
    sw_tensor *a = sw_tensor_zeros(ctx, SW_F32, SW_DIMS(1)), *b = sw_tensor_zeros(ctx, SW_F32, SW_DIMS(2));
    sw_sequence *one = sw_sequence_new(ctx, &a, 1), *empty = sw_sequence_new(ctx, NULL, 0);
    sw_sequence *two = sw_sequence_insert(one, 0, b), *end = sw_sequence_insert(two, 2, a);
    assert_int_equal(sw_sequence_count(one), 1);
    assert_int_equal(sw_sequence_count(two), 2);
    assert_ptr_equal(sw_sequence_at(two, 0), b);
    assert_ptr_equal(sw_sequence_at(two, -1), a);
    assert_int_equal(sw_sequence_count(end), 3);
    assert_null(sw_sequence_at(two, 2));
    assert_string_equal(sw_error_text(), "a sequence of 2 tensors has no place 2");
    assert_null(sw_sequence_at(empty, -1));
    assert_null(sw_sequence_insert(two, 3, a));
    sw_sequence *erased = sw_sequence_erase(two, -1);
    assert_int_equal(sw_sequence_count(erased), 1);
    assert_ptr_equal(sw_sequence_at(erased, 0), b);
    sw_tensor_release(a);
    sw_tensor_release(b);
    sw_sequence_release(sw_sequence_retain(two));
    sw_sequence_release(two);
    assert_int_equal(sw_tensor_dim(sw_sequence_at(end, 0), 0), 2);
    sw_alloc_fail_at(ctx, 1);
    assert_null(sw_sequence_erase(end, 0));
    sw_alloc_fail_at(ctx, 0);
    sw_sequence_release(one);
    sw_sequence_release(empty);
    sw_sequence_release(end);
    sw_sequence_release(erased);
    sw_sequence_release(NULL);
    assert_int_equal(sw_context_bytes(ctx), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_kernel_that_applies_and_prepares_is_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backends_have_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_part_runs_once_inline_or_by_the_team, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_awake_graph_computes_through_its_executor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_an_executor_reference_bodies_compute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sequences_share_their_tensors_and_do_not_change, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
