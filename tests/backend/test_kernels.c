/* Every fast kernel gives what the row's reference body gives, in every layout it takes, whatever the team. */
#include "candidates.h"

#define INTS(name_, ...)                                                                                               \
    SW_ATTR_IS(name_, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), ((const int64_t[]){__VA_ARGS__}))

/* ---- the rows' own samples ---- */

static void sample(sw_context *ctx, const struct place *p)
{
    if (!p->op->reference || p->op->flags & SW_DATA_SHAPED)
        return;
    struct question q = {.op = p->op->name,
                         .inputs_count = p->sample->inputs_count,
                         .outputs_count = sample_outputs(p),
                         .attrs = p->sample->attrs,
                         .attrs_count = p->sample->attrs_count,
                         .note = p->sample->note};
    make_inputs(ctx, p, SW_F32, 3, q.inputs);
    ask_any(ctx, &q);
    release_inputs(&q);
}

static void test_samples_of_every_row(void **state) { each_sample(*state, sample); }

/* ---- shapes that kernels stumble over ---- */

static void unary(sw_context *ctx, const char *op, sw_dims dims, double low, double high)
{
    struct question q = {.op = op, .inputs = {numbers(ctx, 1, low, high, dims)}, .inputs_count = 1, .outputs_count = 1};
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_unary_rows_over_sizes(void **state)
{
    static const char *const ops[] = {"Neg",       "Abs",   "Sign",     "Sqrt",    "Reciprocal", "Floor",
                                      "Ceil",      "Round", "Identity", "Relu",    "LeakyRelu",  "HardSigmoid",
                                      "HardSwish", "Exp",   "Log",      "Tanh",    "Sigmoid",    "Erf",
                                      "Elu",       "Gelu",  "Silu",     "Softplus"};
    static const int64_t sizes[] = {1, 3, 15, 16, 17, 31, 33, 257, 70001};
    for (size_t i = 0; i < COUNT(ops); i++) {
        bool positive = strcmp(ops[i], "Log") == 0 || strcmp(ops[i], "Sqrt") == 0;
        for (size_t k = 0; k < COUNT(sizes); k++)
            unary(*state, ops[i], SW_DIMS(sizes[k]), positive ? 0.01 : -9, 9);
        unary(*state, ops[i], SW_DIMS(2, 32, 3, 5), positive ? 1e-6 : -30, 30);
    }
}

static void binary(sw_context *ctx, const char *op, sw_dims a, sw_dims b)
{
    struct question q = {.op = op,
                         .inputs = {numbers(ctx, 1, 0.5, 3, a), numbers(ctx, 2, 0.5, 3, b)},
                         .inputs_count = 2,
                         .outputs_count = 1};
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_binary_rows_over_broadcasts(void **state)
{
    static const char *const ops[] = {"Add",   "Sub",  "Mul",       "Div",     "Min",         "Max",
                                      "Equal", "Less", "LessEqual", "Greater", "GreaterEqual"};
    for (size_t i = 0; i < COUNT(ops); i++) {
        binary(*state, ops[i], SW_DIMS(7, 33), SW_DIMS(7, 33));
        binary(*state, ops[i], SW_DIMS(7, 33), SW_DIMS(33));
        binary(*state, ops[i], SW_DIMS(33), SW_DIMS(7, 33));
        binary(*state, ops[i], SW_DIMS(7, 33), SW_DIMS(7, 1));
        binary(*state, ops[i], SW_DIMS(7, 1), SW_DIMS(1, 33));
        binary(*state, ops[i], SW_SCALAR, SW_DIMS(5, 17));
        binary(*state, ops[i], SW_SCALAR, SW_SCALAR);
        binary(*state, ops[i], SW_DIMS(2, 16, 3, 3), SW_DIMS(16, 1, 1));
        binary(*state, ops[i], SW_DIMS(2, 32, 3, 3), SW_DIMS(2, 32, 3, 3));
        binary(*state, ops[i], SW_DIMS(1, 16, 1, 1), SW_DIMS(2, 16, 5, 3));
        binary(*state, ops[i], SW_DIMS(2, 16, 1, 3), SW_DIMS(2, 16, 5, 3));
        binary(*state, ops[i], SW_DIMS(3, 0), SW_DIMS(1));
        binary(*state, ops[i], SW_DIMS(300, 301), SW_DIMS(301));
    }
}

static void reduce(sw_context *ctx, const char *op, sw_dims dims, int count, const int64_t *axes, bool keep)
{
    sw_attr attrs[] = {SW_ATTR_IS("axes", count, axes), SW_ATTR_I("keep_dims", keep)};
    struct question q = {.op = op,
                         .inputs = {numbers(ctx, 1, 0.9, 1.1, dims)},
                         .inputs_count = 1,
                         .outputs_count = 1,
                         .attrs = attrs,
                         .attrs_count = 2};
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_reductions_over_axes(void **state)
{
    static const char *const ops[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"};
    sw_context *ctx = *state;
    for (size_t i = 0; i < COUNT(ops); i++) {
        reduce(ctx, ops[i], SW_DIMS(1000), 0, NULL, false);
        reduce(ctx, ops[i], SW_DIMS(70, 11), 1, (int64_t[]){0}, false);
        reduce(ctx, ops[i], SW_DIMS(70, 11), 1, (int64_t[]){-1}, true);
        reduce(ctx, ops[i], SW_DIMS(3, 70, 131), 1, (int64_t[]){1}, true);
        reduce(ctx, ops[i], SW_DIMS(4, 32, 5, 7), 3, (int64_t[]){0, 2, 3}, false);
        reduce(ctx, ops[i], SW_DIMS(4, 32, 5, 7), 2, (int64_t[]){2, 3}, true);
        reduce(ctx, ops[i], SW_DIMS(4, 6, 5, 7), 2, (int64_t[]){1, 3}, true);
        reduce(ctx, ops[i], SW_DIMS(2, 1, 5), 1, (int64_t[]){1}, true);
        reduce(ctx, ops[i], SW_SCALAR, 0, NULL, false);
    }
    reduce(ctx, "ReduceSum", SW_DIMS(300000), 0, NULL, false);
    reduce(ctx, "ReduceMean", SW_DIMS(5000, 3), 1, (int64_t[]){0}, false);
}

static void product(sw_context *ctx, const char *op, sw_dims a, sw_dims b, sw_dims c, bool ta, bool tb, bool constant)
{
    sw_attr attrs[] = {SW_ATTR_I("transpose_a", ta), SW_ATTR_I("transpose_b", tb)};
    struct question q = {.op = op,
                         .inputs = {numbers(ctx, 1, -1, 1, a), numbers(ctx, 2, -1, 1, b)},
                         .inputs_count = 2,
                         .outputs_count = 1,
                         .attrs = attrs,
                         .attrs_count = 2,
                         .constant = {false, constant}};
    if (c.rank)
        q.inputs[q.inputs_count++] = numbers(ctx, 3, -1, 1, c);
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_products_over_shapes(void **state)
{
    static const int64_t sizes[][3] = {{1, 1, 1},     {1, 64, 48},   {1, 300, 1030}, {12, 32, 7},  {13, 33, 257},
                                       {5, 100, 300}, {128, 10, 64}, {150, 70, 20},  {40, 520, 30}};
    sw_context *ctx = *state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (int t = 0; t < 8; t++) {
            int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
            bool ta = t & 1, tb = t & 2, constant = t & 4;
            product(ctx, "MatMul", ta ? SW_DIMS(k, m) : SW_DIMS(m, k), tb ? SW_DIMS(n, k) : SW_DIMS(k, n), SW_SCALAR,
                    ta, tb, constant);
            product(ctx, "Gemm", ta ? SW_DIMS(k, m) : SW_DIMS(m, k), tb ? SW_DIMS(n, k) : SW_DIMS(k, n), SW_DIMS(n), ta,
                    tb, constant);
        }
    product(ctx, "MatMul", SW_DIMS(3, 5, 9, 11), SW_DIMS(11, 17), SW_SCALAR, false, false, true);
    product(ctx, "MatMul", SW_DIMS(3, 1, 9, 11), SW_DIMS(4, 11, 17), SW_SCALAR, false, false, false);
    product(ctx, "MatMul", SW_DIMS(3, 4, 11, 9), SW_DIMS(3, 4, 17, 11), SW_SCALAR, true, true, false);
    product(ctx, "MatMul", SW_DIMS(40), SW_DIMS(40, 7), SW_SCALAR, false, false, false);
    product(ctx, "MatMul", SW_DIMS(7, 40), SW_DIMS(40), SW_SCALAR, false, false, false);
    product(ctx, "Gemm", SW_DIMS(20, 30), SW_DIMS(30, 25), SW_DIMS(20, 1), false, false, false);
    product(ctx, "Gemm", SW_DIMS(20, 30), SW_DIMS(30, 25), SW_DIMS(20, 25), false, false, false);
    product(ctx, "MatMul", SW_DIMS(4, 0), SW_DIMS(0, 5), SW_SCALAR, false, false, false);
}

/* ---- windows ---- */

struct window_case {
    int64_t n, c, h, w, m, kernel[2], strides[2], pads[4], dilations[2], groups;
};

static const struct window_case windows[] = {
    {2, 1, 12, 11, 16, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
    {2, 16, 9, 9, 32, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
    {3, 32, 8, 8, 16, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
    {1, 16, 11, 13, 16, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
    {2, 32, 9, 9, 32, {3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}, 2},
    {2, 32, 7, 7, 32, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 32},
    {1, 6, 10, 9, 4, {5, 3}, {3, 2}, {2, 0, 1, 1}, {1, 2}, 2},
    {1, 3, 32, 32, 64, {7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}, 1},
    {2, 16, 8, 8, 24, {1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
    {3, 192, 3, 2, 160, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
};

static int window_attrs(const struct window_case *c, sw_attr *attrs)
{
    attrs[0] = SW_ATTR_IS("strides", 2, c->strides);
    attrs[1] = SW_ATTR_IS("pads", 4, c->pads);
    attrs[2] = SW_ATTR_IS("dilations", 2, c->dilations);
    return 3;
}

static int64_t out_size(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads)
{
    return (in + pads - (kernel - 1) * dilation - 1) / stride + 1;
}

static void convolution(sw_context *ctx, const struct window_case *c, const char *op, bool constant, bool bias)
{
    sw_attr attrs[8];
    int count = window_attrs(c, attrs);
    attrs[count++] = SW_ATTR_I("groups", c->groups);
    sw_dims x = SW_DIMS(c->n, c->c, c->h, c->w), w = SW_DIMS(c->m, c->c / c->groups, c->kernel[0], c->kernel[1]);
    sw_dims y =
        SW_DIMS(c->n, c->m, out_size(c->h, c->kernel[0], c->strides[0], c->dilations[0], c->pads[0] + c->pads[2]),
                out_size(c->w, c->kernel[1], c->strides[1], c->dilations[1], c->pads[1] + c->pads[3]));
    struct question q = {.op = op, .outputs_count = 1, .attrs = attrs, .attrs_count = count, .tolerance = 1e-4};
    sw_tensor *xs = numbers(ctx, 1, -1, 1, x), *ws = numbers(ctx, 2, -1, 1, w), *dy = numbers(ctx, 3, -1, 1, y);
    if (strcmp(op, "Conv") == 0) {
        q.inputs[0] = xs, q.inputs[1] = ws, q.inputs_count = 2, q.constant[1] = constant;
        if (bias)
            q.inputs[q.inputs_count++] = numbers(ctx, 4, -1, 1, SW_DIMS(c->m));
        sw_tensor_release(dy);
    } else {
        bool data = strcmp(op, "ConvGradData") == 0;
        q.inputs[0] = dy, q.inputs[1] = data ? ws : xs, q.inputs[2] = data ? xs : ws, q.inputs_count = 3;
        q.constant[1] = data && constant;
    }
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_convolutions_and_their_gradients(void **state)
{
    for (size_t i = 0; i < COUNT(windows); i++)
        for (int constant = 0; constant < 2; constant++) {
            convolution(*state, &windows[i], "Conv", constant, false);
            convolution(*state, &windows[i], "Conv", constant, true);
            convolution(*state, &windows[i], "ConvGradData", constant, false);
            if (!constant)
                convolution(*state, &windows[i], "ConvGradWeight", false, false);
        }
}

static void pooling(sw_context *ctx, const struct window_case *c, const char *op, bool ceil_mode, bool include_pad)
{
    sw_attr attrs[8];
    int count = window_attrs(c, attrs);
    attrs[count++] = SW_ATTR_IS("kernel", 2, c->kernel);
    attrs[count++] = SW_ATTR_I("ceil_mode", ceil_mode);
    bool mean = strncmp(op, "Average", 7) == 0;
    if (mean)
        attrs[count++] = SW_ATTR_I("count_include_pad", include_pad);
    sw_tensor *x = numbers(ctx, 1, -3, 3, SW_DIMS(c->n, c->c, c->h, c->w));
    for (int64_t i = 0; i < sw_tensor_count(x); i++) /* ties */
        ((float *)sw_tensor_data(x))[i] = rintf(((float *)sw_tensor_data(x))[i] * 2);
    struct question q = {.op = op, .outputs_count = 1, .attrs = attrs, .attrs_count = count};
    if (strstr(op, "Grad") == NULL) {
        q.inputs[0] = x, q.inputs_count = 1;
        ask(ctx, &q);
    } else {
        struct question forward = q;
        forward.op = mean ? "AveragePool" : "MaxPool";
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        sw_value *in = sw_input(g, x);
        sw_value *y = sw_node_add(g, forward.op, &in, 1, attrs, count, NULL, 1);
        assert_true(sw_ok(g));
        q.inputs[0] = numbers(ctx, 2, -1, 1, sw_tensor_dims(sw_value_tensor(y))), q.inputs[1] = x, q.inputs_count = 2;
        ask(ctx, &q);
        sw_graph_free(g);
    }
    release_inputs(&q);
}

static void test_pools_and_their_gradients(void **state)
{
    static const struct window_case pools[] = {
        {.n = 2, .c = 16, .h = 8, .w = 8, .kernel = {2, 2}, .strides = {2, 2}, .dilations = {1, 1}},
        {.n = 2,
         .c = 32,
         .h = 9,
         .w = 11,
         .kernel = {3, 3},
         .strides = {2, 2},
         .pads = {1, 1, 1, 1},
         .dilations = {1, 1}},
        {.n = 1,
         .c = 5,
         .h = 10,
         .w = 7,
         .kernel = {3, 2},
         .strides = {1, 3},
         .pads = {1, 0, 2, 1},
         .dilations = {2, 1}},
        {.n = 1, .c = 24, .h = 5, .w = 5, .kernel = {5, 5}, .strides = {1, 1}, .dilations = {1, 1}},
    };
    static const char *const ops[] = {"MaxPool", "MaxPoolGrad", "AveragePool", "AveragePoolGrad"};
    for (size_t i = 0; i < COUNT(pools); i++)
        for (size_t k = 0; k < COUNT(ops); k++)
            for (int mode = 0; mode < 4; mode++)
                pooling(*state, &pools[i], ops[k], mode & 1, mode & 2);
}

/* ---- losses, updates ---- */

static void entropy(sw_context *ctx, int64_t n, int64_t classes, double smoothing, int64_t ignore)
{
    sw_attr attrs[] = {SW_ATTR_F("label_smoothing", smoothing), SW_ATTR_I("ignore_index", ignore)};
    sw_tensor *labels = sw_tensor_new(ctx, SW_I64, SW_DIMS(n));
    for (int64_t i = 0; i < n; i++)
        sw_tensor_set(labels, i, (double)(i * 7 % classes));
    struct question q = {.op = "SoftmaxCrossEntropy",
                         .inputs = {numbers(ctx, 1, -8, 8, SW_DIMS(n, classes)), labels},
                         .inputs_count = 2,
                         .outputs_count = 1,
                         .attrs = attrs,
                         .attrs_count = 2};
    ask(ctx, &q);
    struct question g = q;
    g.op = "SoftmaxCrossEntropyGrad";
    g.inputs[0] = numbers(ctx, 2, 0, 1, SW_DIMS(n)), g.inputs[1] = q.inputs[0], g.inputs[2] = labels,
    g.inputs_count = 3;
    ask(ctx, &g);
    release_inputs(&g);
}

static void test_cross_entropy_over_sizes(void **state)
{
    entropy(*state, 1, 1, 0, -100);
    entropy(*state, 64, 10, 0, -100);
    entropy(*state, 5, 1000, 0.1, 3);
    entropy(*state, 33, 17, 0.05, -100);
}

static void test_softmax_over_sizes(void **state)
{
    static const int64_t sizes[] = {1, 2, 10, 16, 33, 1000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        unary(*state, "Softmax", SW_DIMS(7, sizes[i]), -20, 20);
        unary(*state, "LogSoftmax", SW_DIMS(7, sizes[i]), -20, 20);
    }
}

static void sgd(sw_context *ctx, int64_t n, double momentum, bool nesterov)
{
    sw_attr attrs[] = {SW_ATTR_F("momentum", momentum), SW_ATTR_F("weight_decay", 0.01),
                       SW_ATTR_I("nesterov", nesterov)};
    struct question q = {
        .op = "SgdUpdate", .inputs_count = 4, .outputs_count = momentum != 0 ? 2 : 1, .attrs = attrs, .attrs_count = 3};
    q.inputs[0] = numbers(ctx, 1, -1, 1, SW_DIMS(n));
    q.inputs[1] = numbers(ctx, 2, -1, 1, SW_DIMS(n));
    q.inputs[2] = momentum != 0 ? numbers(ctx, 3, -1, 1, SW_DIMS(n)) : NULL;
    q.inputs[3] = numbers(ctx, 4, 0.1, 0.2, SW_SCALAR);
    ask(ctx, &q);
    release_inputs(&q);
}

static void adam(sw_context *ctx, int64_t n, bool decoupled)
{
    sw_attr attrs[] = {SW_ATTR_F("weight_decay", 0.01), SW_ATTR_I("decoupled", decoupled)};
    struct question q = {.op = "AdamUpdate", .inputs_count = 6, .outputs_count = 3, .attrs = attrs, .attrs_count = 2};
    for (uint32_t i = 0; i < 4; i++)
        q.inputs[i] = numbers(ctx, i, i == 3 ? 0 : -1, 1, SW_DIMS(n));
    q.inputs[4] = numbers(ctx, 4, 0.001, 0.002, SW_SCALAR);
    q.inputs[5] = sw_tensor_new(ctx, SW_I64, SW_SCALAR);
    sw_tensor_set(q.inputs[5], 0, 3);
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_updates_over_sizes(void **state)
{
    static const int64_t sizes[] = {1, 16, 17, 1000, 70001};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        sgd(*state, sizes[i], 0, false);
        sgd(*state, sizes[i], 0.9, false);
        sgd(*state, sizes[i], 0.9, true);
        adam(*state, sizes[i], false);
        adam(*state, sizes[i], true);
    }
}

static void test_dropout_draws_the_reference_bits(void **state)
{
    static const int64_t sizes[] = {1, 63, 64, 65, 1000, 70001};
    sw_context *ctx = *state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        sw_attr attrs[] = {SW_ATTR_F("ratio", 0.3), SW_ATTR_I("stream", 5)};
        struct question q = {.op = "Dropout", .inputs_count = 3, .outputs_count = 1, .attrs = attrs, .attrs_count = 2};
        q.inputs[0] = numbers(ctx, 1, 1, 2, SW_DIMS(sizes[i]));
        q.inputs[1] = sw_tensor_from(ctx, SW_U64, SW_DIMS(2), (uint64_t[]){0x123456789abcdef0u, 9});
        q.inputs[2] = sw_tensor_from(ctx, SW_BOOL, SW_SCALAR, (uint8_t[]){1});
        ask(ctx, &q);
        release_inputs(&q);
    }
}

static void test_transposes(void **state)
{
    static const int64_t to[][4] = {{0, 2, 3, 1}, {3, 1, 2, 0}, {1, 0, 2, 3}, {0, 1, 3, 2}};
    for (size_t i = 0; i < COUNT(to); i++) {
        sw_attr attrs[] = {SW_ATTR_IS("permutation", 4, to[i])};
        struct question q = {.op = "Transpose",
                             .inputs = {numbers(*state, 1, -1, 1, SW_DIMS(3, 17, 5, 33))},
                             .inputs_count = 1,
                             .outputs_count = 1,
                             .attrs = attrs,
                             .attrs_count = 1};
        ask(*state, &q);
        release_inputs(&q);
    }
}

static void test_casts(void **state)
{
    static const sw_dtype pairs[][2] = {{SW_U8, SW_F32},  {SW_BOOL, SW_F32}, {SW_I8, SW_F32},  {SW_I32, SW_F32},
                                        {SW_I64, SW_F32}, {SW_F64, SW_F32},  {SW_F32, SW_F64}, {SW_I32, SW_I64},
                                        {SW_I64, SW_I32}, {SW_U8, SW_I64},   {SW_U8, SW_I32},  {SW_BOOL, SW_I64}};
    sw_context *ctx = *state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        sw_tensor *x = sw_tensor_new(ctx, pairs[i][0], SW_DIMS(3, 37));
        for (int64_t k = 0; k < sw_tensor_count(x); k++)
            sw_store_f64(pairs[i][0], sw_tensor_data(x), k,
                         pairs[i][0] == SW_BOOL ? (double)(k % 2) : (double)(k * 7919 % 251) - 100.5);
        sw_attr attrs[] = {SW_ATTR_D("to", pairs[i][1])};
        struct question q = {
            .op = "Cast", .inputs = {x}, .inputs_count = 1, .outputs_count = 1, .attrs = attrs, .attrs_count = 1};
        ask(ctx, &q);
        release_inputs(&q);
    }
}

/* ---- normalisation ---- */

static void batch_norm(sw_context *ctx, sw_dims x, bool training)
{
    int64_t c = x.dim[1];
    sw_attr attrs[] = {SW_ATTR_F("epsilon", 1e-3), SW_ATTR_F("momentum", 0.8)};
    struct question q = {.op = "BatchNorm", .inputs_count = 6, .outputs_count = 5, .attrs = attrs, .attrs_count = 2};
    q.inputs[0] = numbers(ctx, 1, 1, 3, x);
    for (uint32_t i = 1; i < 5; i++)
        q.inputs[i] = numbers(ctx, i + 1, 0.5, 1.5, SW_DIMS(c));
    q.inputs[5] = sw_tensor_from(ctx, SW_BOOL, SW_SCALAR, (uint8_t[]){training});
    ask(ctx, &q);
    struct question g = {.op = "BatchNormGrad", .inputs_count = 6, .outputs_count = 3, .tolerance = 1e-4};
    g.inputs[0] = numbers(ctx, 7, -1, 1, x);
    g.inputs[1] = q.inputs[0];
    for (int i = 2; i < 5; i++)
        g.inputs[i] = sw_tensor_retain(q.inputs[i - 1]);
    g.inputs[5] = sw_tensor_retain(q.inputs[5]);
    ask(ctx, &g);
    q.inputs[0] = NULL;
    release_inputs(&g);
    release_inputs(&q);
}

static void test_batch_norm_in_every_layout(void **state)
{
    for (int training = 0; training < 2; training++) {
        batch_norm(*state, SW_DIMS(3, 32, 5, 7), training);
        batch_norm(*state, SW_DIMS(2, 24, 4, 4), training);
        batch_norm(*state, SW_DIMS(2, 5, 40, 30), training);
        batch_norm(*state, SW_DIMS(9, 33), training);
        batch_norm(*state, SW_DIMS(1, 16, 700), training);
    }
}

static void layer_norm(sw_context *ctx, sw_dims x, int axis, bool bias)
{
    sw_attr attrs[] = {SW_ATTR_I("axis", axis), SW_ATTR_F("epsilon", 1e-3)};
    sw_dims tail = {.rank = x.rank - axis}, saved = x;
    for (int i = axis; i < x.rank; i++)
        tail.dim[i - axis] = x.dim[i], saved.dim[i] = 1;
    struct question q = {.op = "LayerNorm", .inputs_count = 3, .outputs_count = 3, .attrs = attrs, .attrs_count = 2};
    q.inputs[0] = numbers(ctx, 1, 1, 3, x);
    q.inputs[1] = numbers(ctx, 2, 0.5, 1.5, tail);
    q.inputs[2] = bias ? numbers(ctx, 3, -1, 1, tail) : NULL;
    ask(ctx, &q);
    struct question g = {.op = "LayerNormGrad",
                         .inputs_count = 5,
                         .outputs_count = 3,
                         .attrs = attrs,
                         .attrs_count = 1,
                         .tolerance = 1e-4};
    g.inputs[0] = numbers(ctx, 4, -1, 1, x);
    g.inputs[1] = sw_tensor_retain(q.inputs[0]);
    g.inputs[2] = sw_tensor_retain(q.inputs[1]);
    g.inputs[3] = numbers(ctx, 5, 1.5, 2.5, saved);
    g.inputs[4] = numbers(ctx, 6, 0.5, 1.5, saved);
    ask(ctx, &g);
    release_inputs(&g);
    release_inputs(&q);
}

static void test_layer_norm_over_sizes(void **state)
{
    layer_norm(*state, SW_DIMS(3, 1), 1, true);
    layer_norm(*state, SW_DIMS(200, 33), 1, true);
    layer_norm(*state, SW_DIMS(4, 5, 16, 3), 2, false);
    layer_norm(*state, SW_DIMS(2, 1000), 1, true);
}

/* ---- fused rows, reorders ---- */

static void fused_conv(sw_context *ctx, const char *activation, bool bias, bool residual, bool constant)
{
    sw_attr attrs[] = {INTS("pads", 1, 1, 1, 1), SW_ATTR_S("activation", activation), SW_ATTR_F("alpha", 0.1),
                       SW_ATTR_F("beta", 0.7)};
    struct question q = {.op = "FusedConv",
                         .inputs_count = 4,
                         .outputs_count = 1,
                         .attrs = attrs,
                         .attrs_count = 4,
                         .tolerance = 1e-4,
                         .constant = {false, constant},
                         .note = activation};
    q.inputs[0] = numbers(ctx, 1, -1, 1, SW_DIMS(2, 16, 7, 6));
    q.inputs[1] = numbers(ctx, 2, -0.3, 0.3, SW_DIMS(32, 16, 3, 3));
    q.inputs[2] = bias ? numbers(ctx, 3, -1, 1, SW_DIMS(32)) : NULL;
    q.inputs[3] = residual ? numbers(ctx, 4, -1, 1, SW_DIMS(2, 32, 7, 6)) : NULL;
    ask(ctx, &q);
    release_inputs(&q);
}

static void fused_product(sw_context *ctx, const char *activation, sw_dims a, sw_dims b, sw_dims bias, sw_dims residual,
                          bool constant)
{
    sw_attr attrs[] = {SW_ATTR_S("activation", activation), SW_ATTR_F("alpha", 0.1), SW_ATTR_F("beta", 0.7)};
    struct question q = {.op = "FusedMatMul",
                         .inputs_count = 4,
                         .outputs_count = 1,
                         .attrs = attrs,
                         .attrs_count = 3,
                         .tolerance = 1e-4,
                         .constant = {false, constant},
                         .note = activation};
    q.inputs[0] = numbers(ctx, 1, -1, 1, a);
    q.inputs[1] = numbers(ctx, 2, -0.3, 0.3, b);
    q.inputs[2] = bias.rank ? numbers(ctx, 3, -1, 1, bias) : NULL;
    q.inputs[3] = residual.rank ? numbers(ctx, 4, -1, 1, residual) : NULL;
    ask(ctx, &q);
    release_inputs(&q);
}

static void test_fused_rows(void **state)
{
    static const char *const activations[] = {"none",         "relu",       "leaky_relu", "elu",  "sigmoid",
                                              "tanh",         "gelu",       "gelu_tanh",  "silu", "softplus",
                                              "hard_sigmoid", "hard_swish", "clip"};
    const sw_backend *cpu = sw_backend_find(*state, "cpu");
    for (size_t i = 0; i < COUNT(activations); i++) {
        assert_true(cpu->fuses(*state, "FusedConv", activations[i]));
        assert_true(cpu->fuses(*state, "FusedMatMul", activations[i]));
        for (int k = 0; k < 8; k++)
            fused_conv(*state, activations[i], k & 1, k & 2, k & 4);
        fused_product(*state, activations[i], SW_DIMS(5, 40), SW_DIMS(40, 33), SW_DIMS(33), SW_SCALAR, true);
        fused_product(*state, activations[i], SW_DIMS(130, 100), SW_DIMS(100, 90), SW_DIMS(90), SW_DIMS(130, 90),
                      false);
        fused_product(*state, activations[i], SW_DIMS(3, 50, 80), SW_DIMS(80, 90), SW_DIMS(90), SW_DIMS(3, 50, 90),
                      true);
    }
}

/* Reorder gives the layout its output has, whatever the input's. */
static void test_reorders_between_layouts(void **state)
{
    static const sw_layout layouts[] = {SW_LAYOUT_PLAIN, SW_LAYOUT_CHANNELS_LAST, SW_LAYOUT_BLOCKED8,
                                        SW_LAYOUT_BLOCKED16};
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, 0);
    sw_value *x = sw_input_declare(g, "x", SW_TYPE(SW_F32, 3, 32, 5, 7));
    sw_value *y = sw_node_add(g, "Reorder", &x, 1, NULL, 0, NULL, 1);
    sw_tensor *plain = numbers(ctx, 1, -1, 1, SW_DIMS(3, 32, 5, 7));
    size_t bytes = sw_tensor_bytes(plain);
    assert_non_null(y);
    sw_node *node = sw_graph_node(g, sw_graph_node_count(g) - 1);
    const sw_kernel *kernel = *sw_backend_find(ctx, "cpu")->candidates(sw_backend_find(ctx, "cpu"), "Reorder");
    for (size_t i = 0; i < COUNT(layouts); i++)
        for (size_t k = 0; k < COUNT(layouts); k++) {
            sw_view in = sw_view_of(plain), out = in;
            dress(&in, &sw_node_op(node)->inputs[0], layouts[i]);
            dress(&out, &sw_node_op(node)->outputs[0], layouts[k]);
            char *from = malloc(bytes), *to = malloc(bytes), *back = malloc(bytes);
            convert(&in, layouts[i], sw_tensor_data(plain), from, false);
            in.data = from, out.data = to;
            sw_site site = {.ctx = ctx,
                            .node = node,
                            .inputs_count = 1,
                            .outputs_count = 1,
                            .inputs = &in,
                            .outputs = &out,
                            .threads = 1};
            sw_call call = {
                .ctx = ctx, .node = node, .inputs_count = 1, .outputs_count = 1, .inputs = &in, .outputs = &out};
            if (kernel->skips(&site) == NULL) {
                assert_int_equal(kernel->run(&call), SW_OK);
                convert(&out, layouts[k], back, to, true);
                assert_memory_equal(back, sw_tensor_data(plain), bytes);
            } else
                assert_true(block_of(layouts[i]) > 1 && block_of(layouts[k]) > 1);
            free(from), free(to), free(back);
        }
    sw_tensor_release(plain);
    sw_graph_free(g);
}

static int limit_to_plain(void **state)
{
    sw_isa_limit(SW_ISA_PLAIN);
    return open_context(state);
}

static int limit_to_avx2(void **state)
{
    sw_isa_limit(SW_ISA_AVX2);
    return open_context(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_of_every_row),
        cmocka_unit_test(test_unary_rows_over_sizes),
        cmocka_unit_test(test_binary_rows_over_broadcasts),
        cmocka_unit_test(test_reductions_over_axes),
        cmocka_unit_test(test_products_over_shapes),
        cmocka_unit_test(test_convolutions_and_their_gradients),
        cmocka_unit_test(test_pools_and_their_gradients),
        cmocka_unit_test(test_cross_entropy_over_sizes),
        cmocka_unit_test(test_softmax_over_sizes),
        cmocka_unit_test(test_updates_over_sizes),
        cmocka_unit_test(test_dropout_draws_the_reference_bits),
        cmocka_unit_test(test_transposes),
        cmocka_unit_test(test_casts),
        cmocka_unit_test(test_batch_norm_in_every_layout),
        cmocka_unit_test(test_layer_norm_over_sizes),
        cmocka_unit_test(test_fused_rows),
        cmocka_unit_test(test_reorders_between_layouts),
    };
    int failed = cmocka_run_group_tests_name("plain instructions", tests, limit_to_plain, close_context);
    if (failed == 0)
        failed = cmocka_run_group_tests_name("avx2", tests, limit_to_avx2, close_context);
    sw_isa_limit(SW_ISA_AVX512);
    return failed ? failed : cmocka_run_group_tests_name("the best there is", tests, open_context, close_context);
}
