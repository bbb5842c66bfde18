/* What passes do to a graph, what the verifier finds, copies, and how a graph reads as text. */
#include "support.h"

static int setup(void **state)
{
    *state = context();
    return 0;
}

static int teardown(void **state)
{
    sw_context_free(*state);
    return 0;
}

/* y = exp(x) + w, z = x * 2; outputs y and z; w assigned y's sum with itself */
struct small {
    sw_graph *g;
    sw_state *w;
    sw_value *x, *e, *y, *z;
};

static struct small small(sw_context *ctx)
{
    struct small s = {.g = sw_graph_new(ctx, 0)};
    s.w = sw_param(ctx, "w", SW_F64, SW_DIMS(3), (sw_init){0});
    s.x = sw_input_declare(s.g, "x", SW_TYPE(SW_F64, 3));
    s.e = sw_exp(s.g, s.x);
    s.y = sw_add(s.g, s.e, sw_read(s.g, s.w));
    s.z = sw_mul_scalar(s.g, s.x, 2);
    assert_ok(sw_output(s.g, "y", s.y));
    assert_ok(sw_output(s.g, "z", s.z));
    assert_ok(sw_assign(s.g, s.w, s.y));
    assert_ok(sw_graph_verify(s.g));
    return s;
}

static void small_free(struct small *s)
{
    sw_graph_free(s->g);
    sw_state_release(s->w);
}

/* ---- editing ---- */
static void test_a_value_is_replaced_everywhere(void **state)
{
    struct small s = small(*state);
    sw_node *before = sw_graph_insert_before(s.g, s.y->node);
    sw_value *t = sw_tanh(s.g, s.x);
    assert_ptr_equal(sw_graph_insert_before(s.g, before), s.y->node);
    assert_ptr_equal(t->node->next, s.y->node);
    sw_value_replace(s.e, t);
    assert_int_equal(s.e->uses, 0);
    assert_ptr_equal(sw_node_input(s.y->node, 0), t);
    sw_node_remove(s.e->node);
    assert_ok(sw_graph_verify(s.g));
    sw_node *users[4];
    assert_int_equal(sw_value_users(s.x, users, 4), 2);
    assert_ptr_equal(users[0], t->node);
    assert_int_equal(sw_value_users(s.x, users, 1), 2);

    sw_value_replace(s.y, t); /* outputs, assignments and the state's current version follow */
    assert_ptr_equal(sw_graph_output(s.g, 0), t);
    assert_string_equal(sw_graph_output_name(s.g, 0), "y");
    assert_ptr_equal(sw_read(s.g, s.w), t);
    sw_node_remove(s.y->node);
    assert_ok(sw_graph_verify(s.g));
    small_free(&s);
}

static void test_removed_names_can_be_given_again(void **state)
{
    struct small s = small(*state);
    assert_ok(sw_value_set_name(s.z, "z"));
    assert_ok(sw_node_set_name(s.z->node, "twice"));
    sw_value_replace(s.z, s.x);
    sw_node_remove(s.z->node);
    assert_ok(sw_value_set_name(s.e, "z"));
    assert_ok(sw_node_set_name(s.e->node, "twice"));
    assert_ok(sw_graph_verify(s.g));
    small_free(&s);
}

static void test_types_follow_when_inputs_change(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F64, sw_symbol(g, "N"), 4));
    sw_value *y = sw_reshape_to(
        g, x, sw_concat(g, (sw_value *[]){sw_ints(g, 1, (int64_t[]){-1}), sw_ints(g, 1, (int64_t[]){2})}, 2, 0));
    char text[64];
    assert_string_equal(sw_type_text(g, sw_value_type(y), text, sizeof text), "f64[2*N, 2]");
    x->type = SW_TYPE(SW_F64, 3, 4);
    assert_ok(sw_graph_reinfer(g));
    assert_string_equal(sw_type_text(g, sw_value_type(y), text, sizeof text), "f64[6, 2]");
    assert_ok(sw_graph_verify(g));
    sw_graph_free(g);
}

/* ---- copies ---- */
static void test_a_copy_is_deep_and_asleep(void **state)
{
    struct small s = small(*state);
    sw_graph_set_name(s.g, "small");
    sw_dim n = sw_symbol_bounded(s.g, "N", 1, 64);
    sw_value *extra = sw_input_declare(s.g, "extra", SW_TYPE(SW_F32, sw_dim_mul(s.g, n, 2)));
    sw_value *map[64] = {0};
    sw_graph *copy = sw_graph_copy(s.g, map);
    assert_non_null(copy);
    assert_ok(sw_graph_verify(copy));
    assert_string_equal(sw_graph_name(copy), "small");
    char *a = sw_graph_dump(s.g), *b = sw_graph_dump(copy);
    assert_string_equal(a, b);
    sw_text_release(*state, a);
    sw_text_release(*state, b);
    assert_string_equal(sw_value_name(map[s.x->id]), "x");
    assert_ptr_equal(map[s.y->id], sw_graph_output(copy, 0));
    assert_int_equal(sw_value_type(map[extra->id])->dims[0], sw_value_type(extra)->dims[0]);
    assert_int_equal(sw_symbol(copy, "N"), n);
    small_free(&s);
    assert_ok(sw_graph_verify(copy)); /* it needs nothing of what it came from */
    assert_ptr_equal(sw_read(copy, sw_graph_state(copy, 0)), sw_graph_output(copy, 0));
    sw_graph_free(copy);
}

/* Capture: two steps recorded while awake become one sleeping graph with one read and one, last, assignment. */
static void test_a_copy_of_an_awake_graph_is_its_tape(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_state *w = sw_param(ctx, "w", SW_F64, SW_SCALAR, sw_init_constant(1));
    sw_value *out = NULL;
    for (int i = 0; i < 2; i++) {
        sw_value *now = sw_read(g, w);
        out = sw_mul_scalar(g, now, 3);
        assert_ok(sw_assign(g, w, out));
    }
    assert_ok(sw_output(g, "out", sw_read(g, w)));
    assert_true(number(sw_graph_output(g, 0)) == 9);
    sw_graph *copy = sw_graph_copy(g, NULL);
    assert_ok(sw_graph_verify(copy));
    int reads = 0, assigns = 0;
    for (sw_node *n = sw_graph_first(copy); n; n = n->next) {
        reads += n->op == &sw_op_read;
        assigns += n->op == &sw_op_assign;
        assert_true(n->op == &sw_op_constant || !n->outputs_count || !n->outputs[0]->tensor);
    }
    assert_int_equal(reads, 1);
    assert_int_equal(assigns, 1);
    assert_string_equal(sw_graph_output(copy, 0)->node->op->name, out->node->op->name);
    sw_graph_free(copy);
    sw_graph_free(g);
    sw_state_release(w);
}

static void test_a_failed_graph_is_not_copied(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_exp(g, NULL);
    assert_null(sw_graph_copy(g, NULL));
    assert_string_equal(sw_error_text(), sw_graph_error(g));
    sw_graph_free(g);
}

static void test_a_copy_survives_every_failed_allocation(void **state)
{
    sw_context *ctx = *state;
    struct small s = small(ctx);
    uint64_t before = sw_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        assert_true(nth < 1000);
        sw_alloc_fail_at(ctx, nth);
        sw_graph *copy = sw_graph_copy(s.g, NULL);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_int_equal(copy == NULL, failed);
        sw_graph_free(copy);
        assert_int_equal(sw_context_bytes(ctx), before);
        if (!failed)
            break;
    }
    small_free(&s);
}

/* ---- the verifier: one broken thing at a time ---- */
static void found(struct small *s, sw_status status, const char *what)
{
    sw_status got = sw_graph_verify(s->g);
    if (got != status || !strstr(sw_error_text(), what))
        fail_msg("status %d, '%s' does not say '%s'", (int)got, got ? sw_error_text() : "", what);
}

#define BREAK(change, restore, status, what)                                                                           \
    do {                                                                                                               \
        change;                                                                                                        \
        found(&s, status, what);                                                                                       \
        restore;                                                                                                       \
        assert_ok(sw_graph_verify(s.g));                                                                               \
    } while (0)

static void test_the_verifier_finds_every_broken_invariant(void **state)
{
    struct small s = small(*state);
    sw_graph *g = s.g, *other = sw_graph_new(*state, 0);
    sw_node *e = s.e->node, *y = s.y->node, *assign = g->last, *read = sw_node_input(y, 1)->node;
    sw_value *foreign = sw_input_declare(other, "x", SW_TYPE(SW_F64, 3));
    sw_state *stranger = sw_param(*state, "stranger", SW_F64, SW_DIMS(3), (sw_init){0});
    assert_ok(sw_value_set_name(s.e, "e"));
    assert_string_equal(sw_node_name(e), "Exp_1");

    BREAK(e->graph = other, e->graph = g, SW_INTERNAL, "another graph");
    BREAK(y->previous = e->previous, y->previous = read, SW_INTERNAL, "not linked back");
    BREAK(y->id = e->id, y->id = 3, SW_INTERNAL, "out of range or taken");
    BREAK(y->id = 1000, y->id = 3, SW_INTERNAL, "out of range or taken");
    BREAK(e->name = "Exp_7", e->name = sw_names_find(&g->node_names, "Exp_1") ? "Exp_1" : NULL, SW_INTERNAL,
          "does not lead");
    BREAK(s.e->name = "f", s.e->name = "e", SW_INTERNAL, "does not lead");
    BREAK(e->inputs[0] = foreign, e->inputs[0] = s.x, SW_INTERNAL, "not made before it");
    BREAK(e->inputs[0] = s.y, e->inputs[0] = s.x, SW_INTERNAL, "not made before it");
    BREAK(e->inputs[0] = NULL, e->inputs[0] = s.x, SW_INTERNAL, "not made before it");
    BREAK(e->inputs[0] = sw_none, e->inputs[0] = s.x, SW_INVALID, "is missing");
    BREAK(e->inputs_count = 2, e->inputs_count = 1, SW_INVALID, "2 inputs");
    BREAK(s.e->node = y, s.e->node = e, SW_INTERNAL, "does not lead back");
    BREAK(s.e->index = 1, s.e->index = 0, SW_INTERNAL, "does not lead back");
    int id = s.e->id;
    BREAK(s.e->id = s.x->id, s.e->id = id, SW_INTERNAL, "out of range or taken");
    BREAK(s.x->uses++, s.x->uses--, SW_INTERNAL, "uses");
    BREAK(s.e->type.dtype = SW_DTYPE_NONE, s.e->type.dtype = SW_F64, SW_INVALID, "no element type");
    BREAK(s.e->type.dims[0] = SW_DIM_UNKNOWN - 7, s.e->type.dims[0] = 3, SW_INVALID, "neither a size");
    BREAK(s.e->type.dims[0] = 4, s.e->type.dims[0] = 3, SW_INVALID, "f64[4] and inferred as f64[3]");
    BREAK(s.e->type.dtype = SW_F32, s.e->type.dtype = SW_F64, SW_INVALID, "written down as f32");
    BREAK(s.e->contents = (sw_dim[]){1}; s.e->contents_count = -1, s.e->contents = NULL, SW_INTERNAL, "known contents");
    BREAK(read->state = NULL, read->state = s.w, SW_INTERNAL, "has no state");
    BREAK(e->state = s.w, e->state = NULL, SW_INTERNAL, "is no such row");
    BREAK(assign->state = stranger, assign->state = s.w, SW_INTERNAL, "does not hold");
    BREAK(sw_node_set_input(assign, 0, s.x); s.x->type.dtype = SW_F32, s.x->type.dtype = SW_F64, SW_INVALID, "");
    sw_node_set_input(assign, 0, s.y);
    BREAK(g->nodes++, g->nodes--, SW_INTERNAL, "are counted");
    BREAK(g->last = y, g->last = assign, SW_INTERNAL, "where the order ends");
    BREAK(g->inputs.items[0] = s.e, g->inputs.items[0] = s.x, SW_INTERNAL, "no Input");
    BREAK(g->outputs.items[0].value = foreign, g->outputs.items[0].value = s.y, SW_INTERNAL, "no value of this graph");
    BREAK(g->outputs.items[0].name = "z", g->outputs.items[0].name = "y", SW_INTERNAL, "two outputs");
    BREAK(g->states.items[0].current = foreign, g->states.items[0].current = s.y, SW_INTERNAL, "is gone");
    BREAK(g->training = foreign, g->training = NULL, SW_INTERNAL, "is gone");

    sw_value *constant = sw_scalar(g, SW_F64, 1);
    sw_tensor *tensor = constant->tensor, *wrong = sw_tensor_zeros(*state, SW_F32, SW_SCALAR);
    BREAK(constant->tensor = NULL, constant->tensor = tensor, SW_INTERNAL, "no contents");
    BREAK(constant->tensor = wrong, constant->tensor = tensor, SW_INTERNAL, "not of its type");
    sw_tensor_release(wrong);

    sw_value *softmax = sw_softmax(g, s.e, 0);
    sw_attr *axis = &softmax->node->attrs[0];
    BREAK(axis->kind = SW_ATTR_STRING, axis->kind = SW_ATTR_INT, SW_INVALID, "attribute 'axis'");
    BREAK(axis->count = 3, axis->count = 0, SW_INVALID, "attribute 'axis'");

    sw_graph_free(other);
    sw_state_release(stranger);
    small_free(&s);
}

static void test_the_verifier_passes_on_the_graphs_own_failure(void **state)
{
    struct small s = small(*state);
    sw_exp(s.g, NULL);
    assert_int_equal(sw_graph_verify(s.g), SW_INVALID);
    assert_string_equal(sw_error_text(), sw_graph_error(s.g));
    assert_int_equal(sw_graph_verify(NULL), SW_INVALID);
    small_free(&s);
}

/* ---- text ---- */
static void test_a_graph_reads_as_lines(void **state)
{
    struct small s = small(*state);
    sw_graph_set_name(s.g, "small \"one\"");
    sw_symbol_bounded(s.g, "N", 2, 9);
    sw_softmax(s.g, s.e, 0);
    assert_ok(sw_value_set_name(s.e, "odd name\n"));
    assert_ok(sw_node_set_name(s.y->node, "block/add"));
    assert_string_equal(sw_node_name(s.e->node), "Exp_1"); /* made, not given: it does not show */
    char *text = sw_graph_dump(s.g);
    assert_string_equal(text, "graph \"small \\\"one\\\"\" of 8 nodes\n"
                              "symbol N in 2..9\n"
                              "%x = Input() : f64[3]\n"
                              "%1 = Exp(%x) : f64[3] \"odd name\\012\"\n"
                              "%2 = Read() state \"w\" : f64[3]\n"
                              "%3 = Add(%1, %2) : f64[3] ; \"block/add\"\n"
                              "%4 = Constant() : f64[] ; f64[] = 2\n"
                              "%5 = Mul(%x, %4) : f64[3]\n"
                              "Assign(%3) state \"w\"\n"
                              "%6 = Softmax(%1) axis=0 : f64[3]\n"
                              "output \"y\" = %3\n"
                              "output \"z\" = %5\n");
    sw_text_release(*state, text);
    char *dot = sw_graph_dot(s.g);
    assert_non_null(strstr(dot, "digraph \"small \\\"one\\\"\" {\n"));
    assert_non_null(strstr(dot, "n1 -> n3 [label=\"f64[3]\"];\n"));
    assert_non_null(strstr(dot, "[shape=box, label=\"Softmax axis=0\"];\n"));
    sw_text_release(*state, dot);
    small_free(&s);
}

static void test_text_survives_every_failed_allocation(void **state)
{
    sw_context *ctx = *state;
    struct small s = small(ctx);
    for (int which = 0; which < 3; which++)
        for (uint64_t nth = 1;; nth++) {
            assert_true(nth < 200);
            uint64_t before = sw_context_bytes(ctx);
            sw_alloc_fail_at(ctx, nth);
            char *text = which == 0 ? sw_graph_dump(s.g) : which == 1 ? sw_graph_dot(s.g) : NULL;
            sw_status status = which == 2 ? sw_graph_verify(s.g) : text ? SW_OK : SW_NO_MEMORY;
            bool failed = sw_alloc_failed(ctx);
            sw_alloc_fail_at(ctx, 0);
            assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
            sw_text_release(ctx, text);
            assert_int_equal(sw_context_bytes(ctx), before);
            if (!failed)
                break;
        }
    small_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_value_is_replaced_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_names_can_be_given_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types_follow_when_inputs_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_is_deep_and_asleep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_of_an_awake_graph_is_its_tape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_graph_is_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_survives_every_failed_allocation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_verifier_finds_every_broken_invariant, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_verifier_passes_on_the_graphs_own_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_graph_reads_as_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_survives_every_failed_allocation, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
