/* Rows and nodes: what a registry takes, what a builder checks and says, what an awake graph computes. The rows are
 * this file's own, so that every port flag and attribute kind is met. */
#include "support.h"

/* ---- rows ---- */
static sw_status infer_same(sw_infer *infer)
{
    infer->outputs[0] = *sw_value_type(sw_node_input(infer->node, 0));
    return SW_OK;
}

/* y = scale * x + shift, with one attribute of each kind */
static sw_status affine(const sw_call *call)
{
    double scale = sw_attr_float(call->node, "scale");
    for (int64_t i = 0; i < sw_view_count(&call->inputs[0]); i++)
        ((double *)call->outputs[0].data)[i] = scale * ((const double *)call->inputs[0].data)[i] +
                                               (call->inputs[1].data ? *(const double *)call->inputs[1].data : 0);
    return SW_OK;
}

static const sw_op affine_row = {
    .struct_size = sizeof(sw_op),
    .name = "Affine",
    .doc = "scale * x + shift.",
    .inputs = {{"x", SW_FLOATING}, {"shift", 0, SW_SAME_AS("x"), .flags = SW_PORT_OPTIONAL}},
    .outputs = {{"y", 0, SW_SAME_AS("x")}},
    .attrs = {{"scale", SW_ATTR_FLOAT, .f = 2},
              {"mode", SW_ATTR_STRING, .s = "plain", .choices = "plain|fancy"},
              {"pads", SW_ATTR_INTS},
              {"weights", SW_ATTR_FLOATS},
              {"labels", SW_ATTR_STRINGS},
              {"table", SW_ATTR_TENSOR},
              {"body", SW_ATTR_GRAPH},
              {"to", SW_ATTR_DTYPE, .i = SW_F32},
              {"count", SW_ATTR_INT, .i = 3}},
    .infer = infer_same,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .reference = affine,
};

static sw_status needs_axis(const sw_call *call)
{
    (void)call;
    return SW_OK;
}

static const sw_op required_row = {
    .struct_size = sizeof(sw_op),
    .name = "Required",
    .doc = "Has a required attribute and two inputs of one type.",
    .inputs = {{"a", SW_FLOATING | SW_DT(SW_I64)}, {"b", 0, SW_SAME_AS("a")}},
    .outputs = {{"y", 0, SW_SAME_AS("a")}},
    .attrs = {{"axis", SW_ATTR_INT, .required = true}},
    .infer = infer_same,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .reference = needs_axis,
};

/* How many inputs there are, and the first of them again. */
static sw_status infer_many(sw_infer *infer)
{
    if (sw_node_input_count(infer->node) == 0)
        return sw_infer_fail(infer, "needs at least one input");
    sw_dim count = sw_node_input_count(infer->node);
    infer->outputs[0] = SW_TYPE(SW_I64, 1);
    infer->outputs[1] = *sw_value_type(sw_node_input(infer->node, 0));
    sw_infer_contents(infer, 0, &count, 1);
    return SW_OK;
}

static sw_status many(const sw_call *call)
{
    *(int64_t *)call->outputs[0].data = call->inputs_count;
    memcpy(call->outputs[1].data, call->inputs[0].data, sw_view_bytes(&call->inputs[0]));
    return SW_OK;
}

static const sw_op many_row = {
    .struct_size = sizeof(sw_op),
    .name = "Many",
    .doc = "Counts its inputs.",
    .inputs = {{"x", SW_FLOATING, .flags = SW_PORT_VARIADIC}},
    .outputs = {{"count", SW_DT(SW_I64)}, {"first", SW_FLOATING}},
    .infer = infer_many,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .reference = many,
};

/* The positive elements: how many there are depends on data. */
static sw_status infer_positive(sw_infer *infer)
{
    sw_dim most = sw_value_type(sw_node_input(infer->node, 0))->dims[0];
    infer->outputs[0] = SW_TYPE(SW_F64, sw_dim_fresh(infer->g, most));
    return SW_OK;
}

static sw_status positive(const sw_call *call)
{
    const double *x = call->inputs[0].data;
    int64_t count = 0, n = sw_view_count(&call->inputs[0]);
    for (int64_t i = 0; i < n; i++)
        count += x[i] > 0;
    SW_TRY(call->place((sw_call *)call, 0, SW_DIMS(count)));
    double *y = call->outputs[0].data;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > 0)
            *y++ = x[i];
    return SW_OK;
}

static const sw_op positive_row = {
    .struct_size = sizeof(sw_op),
    .name = "Positive",
    .doc = "The positive elements.",
    .inputs = {{"x", SW_DT(SW_F64)}},
    .outputs = {{"y", SW_DT(SW_F64)}},
    .infer = infer_positive,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .flags = SW_DATA_SHAPED,
    .reference = positive,
};

/* Only a decomposition: x + x + x by other rows. */
static sw_status three_times(sw_graph *g, const sw_node *n, sw_value **outputs)
{
    sw_value *x = sw_node_input(n, 0);
    outputs[0] = sw_add(g, sw_add(g, x, x), x);
    return SW_OK;
}

static const sw_op three_row = {
    .struct_size = sizeof(sw_op),
    .name = "ThreeTimes",
    .doc = "3 x.",
    .inputs = {{"x", SW_FLOATING}},
    .outputs = {{"y", 0, SW_SAME_AS("x")}},
    .infer = infer_same,
    .grad = {SW_BY_DECOMPOSITION},
    .decompose = three_times,
};

/* Infers what its port does not allow: a fault of the row. */
static sw_status infer_wrong(sw_infer *infer)
{
    infer->outputs[0] = SW_TYPE(SW_I8, 3);
    return SW_OK;
}

static const sw_op faulty_row = {
    .struct_size = sizeof(sw_op),
    .name = "Faulty",
    .doc = "Says one type and infers another.",
    .inputs = {{"x", SW_FLOATING}},
    .outputs = {{"y", SW_FLOATING}},
    .infer = infer_wrong,
    .grad = {SW_NOT_DIFFERENTIABLE},
    .reference = affine,
};

static int setup(void **state)
{
    const sw_op *const rows[] = {&affine_row, &required_row, &many_row, &positive_row, &three_row, &faulty_row};
    *state = context();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_ok(sw_op_register(*state, rows[i]));
    return 0;
}

static int teardown(void **state)
{
    sw_context_free(*state);
    return 0;
}

static sw_value *input(sw_graph *g, const char *name)
{
    return sw_input_declare(g, name, SW_TYPE(SW_F64, sw_symbol(g, "N"), 3));
}

static sw_value *vector(sw_graph *g, double a, double b, double c)
{
    sw_tensor *t = sw_tensor_from(sw_graph_context(g), SW_F64, SW_DIMS(3), (double[]){a, b, c});
    sw_value *v = sw_input(g, t);
    sw_tensor_release(t);
    return v;
}

/* ---- the registry ---- */
static void test_rows_are_found_by_name_and_listed_in_order(void **state)
{
    assert_ptr_equal(sw_op_find(*state, "Affine"), &affine_row);
    assert_null(sw_op_find(*state, "affine"));
    for (int i = 1; i < sw_op_count(*state); i++)
        assert_true(strcmp(sw_op_at(*state, i - 1)->name, sw_op_at(*state, i)->name) < 0);
    assert_null(sw_op_at(*state, sw_op_count(*state)));
    assert_int_equal(sw_op_register(*state, &affine_row), SW_EXISTS);
}

static void refused(sw_context *ctx, sw_op row, const char *why)
{
    assert_int_equal(sw_op_register(ctx, &row), SW_INVALID);
    if (!strstr(sw_error_text(), why))
        fail_msg("'%s' does not say '%s'", sw_error_text(), why);
}

static void test_malformed_rows_are_refused(void **state)
{
    sw_op row = affine_row;
    row.name = "New";
#define REFUSED(change, why)                                                                                           \
    do {                                                                                                               \
        sw_op broken = row;                                                                                            \
        change;                                                                                                        \
        refused(*state, broken, why);                                                                                  \
    } while (0)
    REFUSED(broken.struct_size = 8, "struct_size is 8");
    REFUSED(broken.name = NULL, "has no name");
    REFUSED(broken.doc = "", "has no doc");
    REFUSED(broken.infer = NULL, "no inference");
    REFUSED(broken.reference = NULL, "neither a reference body nor");
    REFUSED(broken.grad.kind = SW_GRAD_RULE, "has none");
    REFUSED(broken.grad.kind = SW_BY_DECOMPOSITION, "has none");
    REFUSED(broken.inputs[1].same_as = "z", "no input before it");
    REFUSED(broken.inputs[0].same_as = "shift", "no input before it");
    REFUSED(broken.inputs[0].dtypes = 0, "no element type");
    REFUSED(broken.inputs[0].flags = SW_PORT_VARIADIC, "not the last");
    REFUSED(broken.attrs[0].kind = SW_ATTR_NONE, "has no kind");
    REFUSED(broken.attrs[1].name = "scale", "twice");
    REFUSED(broken.attrs[0].choices = "a|b", "is no string");
#undef REFUSED
}

/* ---- attributes ---- */
static void test_attributes_take_the_rows_order_and_defaults(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0), *body = sw_graph_new(*state, 0);
    sw_value *x = input(g, "x");
    int64_t pads[] = {1, 2, 3};
    double weights[] = {0.5};
    const char *labels[] = {"a", "b"};
    sw_tensor *table = sw_tensor_zeros(*state, SW_F32, SW_DIMS(2));
    sw_attr attrs[] = {SW_ATTR_I("scale", 4), /* an integer will do for a number */
                       SW_ATTR_IS("pads", 3, pads),
                       SW_ATTR_S("mode", "fancy"),
                       SW_ATTR_FS("weights", 1, weights),
                       {.name = "labels", .kind = SW_ATTR_STRINGS, .count = 2, .strings = labels},
                       {.name = "table", .kind = SW_ATTR_TENSOR, .tensor = table},
                       {.name = "body", .kind = SW_ATTR_GRAPH, .graph = body}};
    sw_value *y = sw_node_add(g, "Affine", &x, 1, attrs, 7, NULL, 0);
    assert_graph_ok(g);
    sw_node *n = y->node;
    pads[0] = 99;
    labels[0] = "changed";
    sw_graph_free(body);
    int64_t got[2];
    assert_true(sw_attr_float(n, "scale") == 4);
    assert_string_equal(sw_attr_string(n, "mode"), "fancy");
    assert_int_equal(sw_attr_ints(n, "pads", got, 2), 3);
    assert_int_equal(got[0], 1);
    assert_string_equal(sw_node_attr(n, "labels")->strings[0], "a");
    assert_ptr_equal(sw_node_attr(n, "table")->tensor, table);
    assert_true(sw_ok(sw_node_attr(n, "body")->graph));
    assert_int_equal(sw_attr_int(n, "count"), 3);
    assert_false(sw_node_attr(n, "count")->given);
    assert_int_equal(sw_attr_int(n, "to"), SW_F32);
    assert_null(sw_node_attr(n, "unknown"));
    assert_int_equal(sw_attr_int(n, "unknown"), 0);
    assert_ok(sw_graph_verify(g));
    sw_tensor_release(table);
    sw_graph_free(g);
}

/* One call that must fail, and what it must say. */
static void says(sw_context *ctx, const char *op, sw_attr attr, const char *text)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *in[] = {input(g, "x"), input(g, "x2")};
    assert_null(sw_node_add(g, op, in, 2, attr.name ? &attr : NULL, attr.name != NULL, NULL, 0));
    assert_string_equal(sw_graph_error(g), text);
    sw_graph_free(g);
}

static void test_wrong_attributes_are_named(void **state)
{
    says(
        *state, "Affine", SW_ATTR_I("scales", 1),
        "Affine 'Affine_2': no attribute 'scales' (known: scale, mode, pads, weights, labels, table, body, to, count)");
    says(*state, "Affine", SW_ATTR_S("mode", "odd"),
         "Affine 'Affine_2': attribute 'mode': 'odd' is none of plain|fancy");
    says(*state, "Affine", SW_ATTR_F("count", 1.5),
         "Affine 'Affine_2': attribute 'count': is a number, needs an integer");
    says(*state, "Affine", SW_ATTR_D("to", 999), "Affine 'Affine_2': attribute 'to': 999 is no element type");
    says(*state, "Required", (sw_attr){0}, "Required 'Required_2': attribute 'axis': it is required, an integer");
    says(*state, "Nothing", (sw_attr){0}, "there is no op 'Nothing'");
    says(*state, "Read", (sw_attr){0}, "a node 'Read' is made by the graph itself (sw_input, sw_read, …)");
}

/* ---- inputs ---- */
static void test_wrong_inputs_are_named(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, 0), *other = sw_graph_new(ctx, 0);
    sw_value *foreign = input(other, "x");
    assert_null(sw_node_add(g, "Affine", &foreign, 1, NULL, 0, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Affine 'Affine_0': input 0 belongs to another graph");
    assert_null(input(g, "late")); /* every builder, from now on */
    sw_graph_free(g);

    g = sw_graph_new(ctx, 0);
    sw_value *f64 = input(g, "x"), *i64 = sw_ints(g, 2, (int64_t[]){1, 2});
    assert_null(sw_node_add(g, "Required", (sw_value *[]){f64, i64}, 2, &SW_ATTR_I("axis", 0), 1, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Required 'Required_2': input 'b' is i64, needs f64 as 'a' is");
    sw_graph_free(g);

    g = sw_graph_new(ctx, 0);
    i64 = sw_ints(g, 2, (int64_t[]){1, 2});
    assert_null(sw_node_add(g, "Affine", &i64, 1, NULL, 0, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Affine 'Affine_1': input 'x' is i64, needs f64 or f32 or f16 or bf16");
    sw_graph_free(g);

    g = sw_graph_new(ctx, 0);
    assert_null(sw_node_add(g, "Affine", (sw_value *[]){SW_NONE}, 1, NULL, 0, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Affine 'Affine_0': input 'x' is missing");
    sw_graph_free(g);

    g = sw_graph_new(ctx, 0);
    f64 = input(g, "x");
    assert_null(sw_node_add(g, "Affine", (sw_value *[]){f64, f64, f64}, 3, NULL, 0, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Affine: 3 inputs given, has at most 2");
    sw_graph_free(g);

    g = sw_graph_new(ctx, 0);
    assert_null(sw_add(g, input(g, "x"), NULL));
    assert_int_equal(sw_graph_status(g), SW_INVALID);
    sw_graph_free(g);
    sw_graph_free(other);
}

static void test_a_shape_error_names_node_types_and_what_was_expected(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    assert_null(sw_node_add(g, "Many", NULL, 0, NULL, 0, NULL, 0));
    assert_string_equal(sw_graph_error(g), "Many 'Many_0': needs at least one input");
    sw_graph_free(g);

    g = sw_graph_new(*state, 0);
    sw_matmul(g, input(g, "a"), sw_input_declare(g, "b", SW_TYPE(SW_F64, 4, 5)));
    assert_int_equal(sw_graph_status(g), SW_SHAPE);
    assert_non_null(strstr(sw_graph_error(g), "MatMul 'MatMul_2' (a f64[N, 3], b f64[4, 5]): "));
    sw_graph_free(g);
}

static void test_a_faulty_row_is_found_at_its_first_node(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_value *x = input(g, "x");
    assert_null(sw_node_add(g, "Faulty", &x, 1, NULL, 0, NULL, 0));
    assert_int_equal(sw_graph_status(g), SW_INTERNAL);
    sw_graph_free(g);
}

static void test_absent_inputs_and_variadic_ones(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_value *x = vector(g, 1, 2, 3);
    sw_value *y = sw_node_add(g, "Affine", (sw_value *[]){x, SW_NONE}, 2, NULL, 0, NULL, 0);
    assert_true(number(y) == 2);
    assert_int_equal(sw_node_input_count(y->node), 2);
    assert_ptr_equal(sw_node_input(y->node, 1), SW_NONE);
    assert_ptr_equal(sw_node_input(y->node, 7), SW_NONE);
    y = sw_node_add(g, "Affine", (sw_value *[]){x, sw_scalar(g, SW_F64, 10)}, 2, NULL, 0, NULL, 0);
    assert_true(number(y) == 12);
    sw_value *in[40], *out[2];
    for (int i = 0; i < 40; i++)
        in[i] = i % 2 ? x : y;
    assert_true(number(sw_node_add(g, "Many", in, 40, NULL, 0, out, 2)) == 40);
    assert_true(number(out[1]) == 12);
    const sw_dim *known;
    int count;
    assert_true(sw_value_contents(g, out[0], &known, &count));
    assert_int_equal(known[0], 40);
    assert_graph_ok(g);
    assert_ok(sw_graph_verify(g));
    sw_graph_free(g);
}

/* ---- computing ---- */
static void test_dims_that_data_decide(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER), *asleep = sw_graph_new(*state, 0);
    sw_value *x = vector(g, 1, -2, 3), *y = sw_node_add(g, "Positive", &x, 1, NULL, 0, NULL, 0);
    char text[64];
    assert_string_equal(sw_value_text(y, text, sizeof text), "f64[2] = [1, 3]");
    assert_true(number(sw_add(g, y, y)) == 2); /* later nodes see the real dims */

    sw_value *n = sw_input_declare(asleep, "x", SW_TYPE(SW_F64, 7));
    sw_value *some = sw_node_add(asleep, "Positive", &n, 1, NULL, 0, NULL, 0);
    int64_t low, high;
    sw_dim_range(asleep, sw_value_type(some)->dims[0], &low, &high);
    assert_int_equal(low, 0);
    assert_int_equal(high, 7);
    sw_graph_free(g);
    sw_graph_free(asleep);
}

static void test_a_row_that_is_only_a_decomposition_is_taken_apart(void **state)
{
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    sw_value *x = vector(g, 1, 2, 3), *y = sw_node_add(g, "ThreeTimes", &x, 1, NULL, 0, NULL, 0), *dx;
    assert_true(number(y) == 3);
    assert_int_equal(sw_graph_node_count(g), 2);
    assert_ok(sw_grad(g, y, SW_NONE, &x, 1, &dx));
    assert_true(number(dx) == 3);
    sw_graph_free(g);
}

static void test_names_are_unique_and_found(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    sw_value *x = input(g, "x"), *a = sw_exp(g, x), *b = sw_exp(g, a), *c = sw_exp(g, b);
    assert_string_equal(sw_node_name(a->node), "Exp_1");
    assert_ok(sw_node_set_name(b->node, "Exp_3")); /* what c would be called */
    assert_string_equal(sw_node_name(c->node), "Exp_3_");
    assert_ok(sw_node_set_name(b->node, "Exp_3"));
    assert_ok(sw_node_set_name(b->node, "other"));
    assert_ok(sw_node_set_name(a->node, "Exp_3"));
    assert_ok(sw_graph_verify(g));
    assert_int_equal(sw_value_set_name(a, "x"), SW_EXISTS);
    assert_string_equal(sw_graph_error(g), "a value of 'Exp_3': the name 'x' is taken");
    sw_graph_free(g);
    g = sw_graph_new(*state, 0);
    x = input(g, "x");
    assert_ok(sw_output(g, "y", x));
    assert_int_equal(sw_output(g, "y", x), SW_EXISTS);
    sw_graph_free(g);
}

static void test_values_read_as_lines(void **state)
{
    char text[256];
    sw_graph *g = sw_graph_new(*state, SW_EAGER);
    int64_t many[20];
    for (int i = 0; i < 20; i++)
        many[i] = i;
    assert_string_equal(sw_value_text(sw_ints(g, 20, many), text, sizeof text), "i64[20] = [0, 1, 2, …, 17, 18, 19]");
    sw_tensor *t = sw_tensor_from(*state, SW_BOOL, SW_DIMS(2, 1), (bool[]){true, false});
    sw_value *v = sw_input(g, t);
    assert_ok(sw_value_set_name(v, "mask"));
    assert_string_equal(sw_value_text(v, text, sizeof text), "mask bool[2, 1] = [[true], [false]]");
    assert_string_equal(sw_value_text(v, text, 10), "mask bool");
    assert_string_equal(sw_value_text(SW_NONE, text, sizeof text), "(absent)");
    assert_string_equal(sw_value_text(NULL, text, sizeof text), "(failed)");
    sw_type element = SW_TYPE(SW_F32, SW_DIM_UNKNOWN), list = {.kind = SW_SEQUENCE, .element = &element};
    sw_type map = {.kind = SW_MAP, .dtype = SW_STRING, .element = &list};
    assert_string_equal(sw_type_text(g, &map, text, sizeof text), "map(string, seq(f32[?]))");
    sw_tensor_release(t);
    sw_graph_free(g);
}

static void test_types_are_checked(void **state)
{
    sw_type element = SW_TYPE(SW_F32, 3), nested[12];
    for (int i = 0; i < 12; i++)
        nested[i] = (sw_type){.kind = SW_SEQUENCE, .element = i ? &nested[i - 1] : &element};
    const struct {
        sw_type type;
        bool good;
    } cases[] = {{nested[3], true},
                 {nested[11], false},
                 {{.kind = SW_SEQUENCE}, false},
                 {{.kind = SW_MAP, .dtype = SW_F32, .element = &element}, false},
                 {{.kind = SW_MAP, .dtype = SW_I64, .element = &element}, true},
                 {{.kind = SW_OPTIONAL, .element = &element}, true},
                 {{.dtype = SW_F32, .rank = -1}, true},
                 {{.dtype = SW_F32, .rank = 13}, false},
                 {{.dtype = SW_DTYPE_NONE}, false},
                 {SW_TYPE(SW_F32, -5), false},
                 {SW_TYPE(SW_F32, SW_DIM_UNKNOWN), true},
                 {SW_TYPE(SW_F32, SW_DIM_UNKNOWN - 9), false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sw_graph *g = sw_graph_new(*state, 0);
        sw_input_declare(g, "x", cases[i].type);
        if (sw_ok(g) != cases[i].good)
            fail_msg("case %zu: %s", i, sw_graph_error(g));
        sw_graph_free(g);
    }
}

static void test_reading_what_is_not_there_says_why(void **state)
{
    sw_graph *g = sw_graph_new(*state, 0);
    assert_null(sw_value_tensor(sw_exp(g, input(g, "x"))));
    assert_string_equal(sw_error_text(),
                        "'Exp_1' is not computed: the graph sleeps (SW_EAGER wakes it, sw_compile makes a plan)");
    assert_null(sw_value_tensor(SW_NONE));
    assert_string_equal(sw_error_text(), "SW_NONE has no contents");
    assert_null(sw_value_tensor(NULL));
    sw_graph_free(g);
    assert_false(sw_ok(NULL));
    assert_int_equal(sw_graph_status(NULL), SW_INVALID);
    g = sw_graph_new(*state, SW_EAGER);
    assert_null(sw_input_declare(g, "x", SW_TYPE(SW_F32, 1)));
    assert_string_equal(sw_graph_error(g), "input 'x': an awake graph computes: give it a tensor (sw_input)");
    sw_graph_free(g);
    assert_null(sw_graph_new(*state, 1u << 20));
}

/* ---- no memory ---- */
static void build_some(sw_context *ctx, sw_graph *g)
{
    sw_tensor *t = sw_tensor_from(ctx, SW_F64, SW_DIMS(3), (double[]){1, 2, 3});
    int64_t pads[] = {1, 2};
    sw_attr attrs[] = {SW_ATTR_IS("pads", 2, pads),
                       SW_ATTR_S("mode", "fancy"),
                       {.name = "table", .kind = SW_ATTR_TENSOR, .tensor = t}};
    sw_value *x = t ? sw_input(g, t) : NULL, *y = sw_node_add(g, "Affine", &x, 1, attrs, 3, NULL, 0), *in[40];
    for (int i = 0; i < 40; i++)
        in[i] = y;
    sw_node_add(g, "Many", in, 40, NULL, 0, (sw_value *[2]){0}, 2);
    y = sw_node_add(g, "ThreeTimes", &y, 1, NULL, 0, NULL, 0);
    y = sw_node_add(g, "Positive", &y, 1, NULL, 0, NULL, 0);
    sw_output(g, "y", y);
    sw_graph_set_name(g, "some");
    sw_tensor_release(t);
}

static void test_every_allocation_may_fail(void **state)
{
    sw_context *ctx = *state;
    uint64_t before = sw_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        assert_true(nth < 2000);
        sw_alloc_fail_at(ctx, nth);
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        if (g)
            build_some(ctx, g);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_true(!g || sw_ok(g) != failed);
        assert_true(!failed || strlen(g ? sw_graph_error(g) : sw_error_text()) > 0);
        sw_graph_free(g);
        assert_int_equal(sw_context_bytes(ctx), before);
        if (!failed)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_are_found_by_name_and_listed_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_rows_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attributes_take_the_rows_order_and_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_attributes_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_inputs_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_shape_error_names_node_types_and_what_was_expected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_faulty_row_is_found_at_its_first_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent_inputs_and_variadic_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dims_that_data_decide, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_row_that_is_only_a_decomposition_is_taken_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_are_unique_and_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_read_as_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reading_what_is_not_there_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
