/* Shapes nobody thought of: chains of shape-changing, broadcasting and reducing rows over a batch of symbolic size,
 * drawn at random. One drawing is built three times: awake, where every value has real dims; asleep and run by the
 * reference; asleep and run by the fast backend with all passes. Dims inferred as formulas of N must evaluate to what
 * was computed, and the numbers and their gradients must agree, for batches that no one compiled for. */
#include "run/networks.h"

#include "graph/dim.h"
#include "graph/op.h"

enum { GRAPHS = 200, MOST = 40, BATCHES = 4, MOST_ELEMENTS = 4000 };
static const int64_t batches[BATCHES] = {5, 1, 7, 0};

typedef enum row {
    TANH,
    RELU,
    NEGATE,
    SIGMOID,
    ADD,
    MULTIPLY,
    LARGER,
    SUM,
    MEAN,
    LARGEST,
    TRANSPOSE,
    CONCAT,
    SLICE,
    FLATTEN,
    UNSQUEEZE,
    SQUEEZE,
    SOFTMAX,
    PRODUCT,
    FOLD,
    LIKE_FIRST,
    PADDED,
    PICKED,
    NORMAL,
    HALF,
    ROWS
} row;

struct move {
    row row;
    int a, b, axis, count;
    int64_t ints[SW_MAX_RANK];
};

/* One build of the drawing. */
struct build {
    sw_graph *g;
    sw_value *values[MOST];
    int count;
};

/* ---- making a move ---- */
static sw_value *number_matrix(sw_graph *g, int64_t rows, int64_t columns)
{
    sw_tensor *t = numbers(sw_graph_context(g), SW_DIMS(rows, columns), (uint32_t)(rows * 100 + columns));
    sw_value *v = sw_constant(g, t);
    sw_tensor_release(t);
    return v;
}

/* [d0, …, dn] -> [d0, rest], with a shape that is computed from the value's own. */
static sw_value *fold(sw_graph *g, sw_value *x)
{
    sw_value *first = sw_slice(g, sw_shape_of(g, x), 0, 0, 1, 1);
    sw_value *shape = sw_concat(g, (sw_value *[]){first, sw_ints(g, 1, (int64_t[]){-1})}, 2, 0);
    return sw_reshape_to(g, x, shape);
}

/* The second half of the samples, from a place that is computed. */
static sw_value *half(sw_graph *g, sw_value *x)
{
    sw_value *size = sw_slice(g, sw_shape_of(g, x), 0, 0, 1, 1);
    sw_value *start = sw_div(g, size, sw_ints(g, 1, (int64_t[]){2})), *axis = sw_ints(g, 1, (int64_t[]){0});
    return sw_node_add(g, "Slice", (sw_value *[]){x, start, size, axis}, 4, NULL, 0, NULL, 0);
}

static sw_value *padded(sw_graph *g, sw_value *x, int axis)
{
    int64_t before[SW_MAX_RANK] = {0}, after[SW_MAX_RANK] = {0};
    before[axis] = 1;
    after[axis] = 2;
    return sw_pad(g, x, before, after, "constant", 0.5);
}

static sw_value *normal(sw_graph *g, sw_value *x, int64_t last)
{
    sw_tensor *t = numbers(sw_graph_context(g), SW_DIMS(last), 9);
    sw_value *scale = sw_constant(g, t), *y = sw_layer_norm(g, x, scale, SW_NONE, -1, 1e-2);
    sw_tensor_release(t);
    return y;
}

static sw_value *apply(const struct build *b, const struct move *m)
{
    sw_graph *g = b->g;
    sw_value *x = b->values[m->a], *y = b->values[m->b];
    const sw_type *type = sw_value_type(x);
    int64_t axis = m->axis;
    switch (m->row) {
    case TANH:
        return sw_tanh(g, x);
    case RELU:
        return sw_relu(g, x);
    case NEGATE:
        return sw_neg(g, x);
    case SIGMOID:
        return sw_sigmoid(g, x);
    case ADD:
        return sw_add(g, x, y);
    case MULTIPLY:
        return sw_mul(g, x, sw_tanh(g, y));
    case LARGER:
        return sw_max(g, x, y);
    case SUM:
        return sw_tanh(g, sw_reduce_sum(g, x, m->count, m->ints, m->axis != 0));
    case MEAN:
        return sw_reduce_mean(g, x, m->count, m->ints, m->axis != 0);
    case LARGEST:
        return sw_reduce_max(g, x, 1, &axis, true);
    case TRANSPOSE:
        return sw_transpose(g, x, m->count, m->ints);
    case CONCAT:
        return sw_concat(g, (sw_value *[]){x, y, x}, 3, m->axis);
    case SLICE:
        return sw_slice(g, x, m->axis, m->ints[0], m->ints[1], m->ints[2]);
    case FLATTEN:
        return sw_flatten(g, x, m->axis);
    case UNSQUEEZE:
        return sw_unsqueeze(g, x, 1, &axis);
    case SQUEEZE:
        return sw_squeeze(g, x, 1, &axis);
    case SOFTMAX:
        return sw_softmax(g, x, m->axis);
    case PRODUCT:
        return sw_tanh(g, sw_matmul(g, x, number_matrix(g, type->dims[type->rank - 1], m->count)));
    case FOLD:
        return fold(g, x);
    case LIKE_FIRST:
        return sw_expand(g, x, sw_shape_of(g, y));
    case PADDED:
        return padded(g, x, m->axis);
    case PICKED:
        return sw_gather(g, x, sw_ints(g, m->count, m->ints), m->axis);
    case HALF:
        return half(g, x);
    default:
        return normal(g, x, type->dims[type->rank - 1]);
    }
}

/* ---- choosing one that can be made ---- */
struct dice {
    sw_random_address at;
    uint64_t element;
};
static int64_t roll(struct dice *d, int64_t bound)
{
    return (int64_t)sw_random_below(d->at, d->element++, (uint64_t)bound);
}

static bool broadcasts(const sw_type *a, const sw_type *b)
{
    for (int i = 1; i <= a->rank && i <= b->rank; i++)
        if (a->dims[a->rank - i] != b->dims[b->rank - i] && a->dims[a->rank - i] != 1 && b->dims[b->rank - i] != 1)
            return false;
    return true;
}

static bool joins(const sw_type *a, const sw_type *b, int axis)
{
    for (int i = 0; i < a->rank; i++)
        if (i != axis && a->dims[i] != b->dims[i])
            return false;
    return a->rank == b->rank;
}

/* x expands to exactly y's dims: nothing of y gives way. */
static bool expands(const sw_type *x, const sw_type *y)
{
    for (int i = 1; i <= x->rank && i <= y->rank; i++)
        if (x->dims[x->rank - i] != y->dims[y->rank - i] && x->dims[x->rank - i] != 1)
            return false;
    return x->rank <= y->rank;
}

static void shuffle(struct dice *d, struct move *m, int count)
{
    for (int i = 0; i < count; i++) {
        int at = (int)roll(d, i + 1);
        m->ints[i] = m->ints[at];
        m->ints[at] = i;
    }
    m->count = count;
}

/* Fills the rest of a move whose row and operands are drawn; false when this row cannot follow. */
static bool complete(struct dice *d, const struct build *b, struct move *m)
{
    const sw_type *x = sw_value_type(b->values[m->a]), *y = sw_value_type(b->values[m->b]);
    int rank = x->rank;
    m->axis = rank ? (int)roll(d, rank) : 0;
    sw_dim dim = rank ? x->dims[m->axis] : 1, last = rank ? x->dims[rank - 1] : 1;
    switch (m->row) {
    case ADD:
    case MULTIPLY:
    case LARGER:
        return broadcasts(x, y);
    case SUM:
    case MEAN:
        shuffle(d, m, rank);
        m->count = rank ? 1 + (int)roll(d, rank) : 0;
        return rank > 0 && (m->row == SUM || dim > 0);
    case LARGEST:
        return rank > 0 && dim > 0;
    case TRANSPOSE:
        shuffle(d, m, rank);
        return rank > 1;
    case CONCAT:
        return rank > 0 && joins(x, y, m->axis);
    case SLICE:
        m->ints[0] = roll(d, 2);
        m->ints[1] = roll(d, 2) ? dim : -1;
        m->ints[2] = 1 + roll(d, 2);
        return rank > 0 && dim > 2;
    case FLATTEN:
        return rank > 2;
    case UNSQUEEZE:
        m->axis = (int)roll(d, rank + 1);
        return rank < 5;
    case SQUEEZE:
        return rank > 0 && dim == 1;
    case SOFTMAX:
        return rank > 0 && dim > 0;
    case PRODUCT:
        m->count = 1 + (int)roll(d, 9);
        return rank > 1 && last > 0;
    case HALF:
        return rank > 0 && x->dims[0] < 0;
    case FOLD:
        return rank > 1 && x->dims[0] < 0 && rank < 5;
    case LIKE_FIRST:
        return expands(x, y);
    case PADDED:
        return rank > 0;
    case PICKED:
        m->count = 1 + (int)roll(d, 4);
        for (int i = 0; i < m->count && dim > 0; i++)
            m->ints[i] = roll(d, dim);
        return rank > 0 && dim > 0;
    case NORMAL:
        return rank > 0 && last > 1;
    default:
        return true;
    }
}

static struct move propose(struct dice *d, const struct build *b)
{
    for (;;) {
        struct move m = {.row = (row)roll(d, ROWS)};
        m.a = b->count - 1 - (int)roll(d, roll(d, 3) && b->count > 3 ? 3 : b->count);
        m.b = (int)roll(d, b->count);
        if (complete(d, b, &m))
            return m;
    }
}

/* ---- building ---- */
static const int64_t feature_dims[3][3] = {{3, 4}, {6}, {2, 1, 4}};
static const int feature_rank[3] = {2, 1, 3};

static sw_tensor *input_of(sw_context *ctx, int index, int64_t batch)
{
    sw_dims dims = {.rank = 1 + feature_rank[index], .dim = {batch}};
    memcpy(dims.dim + 1, feature_dims[index], sizeof(int64_t) * (size_t)feature_rank[index]);
    return numbers(ctx, dims, (uint32_t)(index * 100 + batch));
}

static struct build begin(sw_context *ctx, int64_t batch, bool awake)
{
    struct build b = {.g = sw_graph_new(ctx, awake ? SW_EAGER : 0)};
    for (int i = 0; i < 3; i++) {
        sw_tensor *t = input_of(ctx, i, batch);
        sw_type type = {.dtype = SW_F32, .rank = sw_tensor_rank(t), .dims = {awake ? 0 : sw_symbol(b.g, "N")}};
        for (int k = 1; k < type.rank; k++)
            type.dims[k] = sw_tensor_dim(t, k);
        char name[8];
        snprintf(name, sizeof name, "x%d", i);
        b.values[b.count++] = awake ? sw_input(b.g, t) : sw_input_declare(b.g, name, type);
        sw_tensor_release(t);
    }
    return b;
}

static void add(struct build *b, const struct move *m, uint64_t seed)
{
    b->values[b->count] = apply(b, m);
    if (!sw_ok(b->g))
        fail_msg("seed %d, move %d: %s", (int)seed, b->count, sw_graph_error(b->g));
    b->count++;
}

/* Moves are chosen by what a sleeping graph knows; an awake one beside it says when values grow too large. */
static int draw(sw_context *ctx, uint64_t seed, struct move *moves)
{
    struct dice d = {.at = {.seed = seed, .stream = 21}};
    struct build asleep = begin(ctx, batches[0], false), awake = begin(ctx, 7, true);
    int wanted = 4 + (int)roll(&d, MOST - 8), count = 0;
    while (count < wanted) {
        moves[count] = propose(&d, &asleep);
        add(&asleep, &moves[count], seed);
        add(&awake, &moves[count], seed);
        count++;
        if (sw_tensor_count(sw_value_tensor(awake.values[awake.count - 1])) > MOST_ELEMENTS)
            break;
    }
    sw_graph_free(asleep.g);
    sw_graph_free(awake.g);
    return count;
}

static struct build replay(sw_context *ctx, const struct move *moves, int count, int64_t batch, bool awake,
                           uint64_t seed)
{
    struct build b = begin(ctx, batch, awake);
    for (int i = 0; i < count; i++)
        add(&b, &moves[i], seed);
    return b;
}

/* ---- comparing ---- */
static void check_dims(const struct build *formulas, const struct build *real, int64_t batch, uint64_t seed)
{
    for (int i = 0; i < formulas->count; i++) {
        const sw_type *type = sw_value_type(formulas->values[i]);
        sw_tensor *t = sw_value_tensor(real->values[i]);
        assert_int_equal(type->rank, sw_tensor_rank(t));
        for (int k = 0; k < type->rank; k++) {
            int64_t dim;
            assert_ok(sw_dim_eval(formulas->g, type->dims[k], &batch, &dim));
            if (dim != sw_tensor_dim(t, k)) {
                char text[200];
                fail_msg("seed %d, batch %d, value %d: dim %d of %s is %d", (int)seed, (int)batch, i, k,
                         sw_type_text(formulas->g, type, text, sizeof text), (int)sw_tensor_dim(t, k));
            }
        }
    }
}

/* The last value, one from the middle, and the slopes of the last one's square along each input. */
enum { OUTPUTS = 5 };
static void results(struct build *b, sw_value **outputs, uint64_t seed)
{
    sw_value *last = b->values[b->count - 1];
    outputs[0] = last;
    outputs[1] = b->values[b->count / 2];
    sw_grad(b->g, sw_reduce_mean(b->g, sw_mul(b->g, last, last), 0, NULL, false), SW_NONE, b->values, 3, outputs + 2);
    if (!sw_ok(b->g))
        fail_msg("seed %d: %s", (int)seed, sw_graph_error(b->g));
}

static sw_plan *plan_results(struct build *b, bool reference, uint64_t seed)
{
    sw_value *outputs[OUTPUTS];
    results(b, outputs, seed);
    for (int i = 0; i < OUTPUTS; i++) {
        char name[8];
        snprintf(name, sizeof name, "y%d", i);
        if (outputs[i] != SW_NONE)
            assert_ok(sw_output(b->g, name, outputs[i]));
    }
    assert_ok(sw_graph_verify(b->g));
    sw_plan *plan;
    if (sw_compile(b->g, &(sw_compile_options){.size = sizeof(sw_compile_options), .no_fusion = reference}, &plan) !=
        SW_OK) {
        const char *why = sw_error_text();
        char *text = sw_graph_dump(b->g);
        fprintf(stderr, "%s\n", text); /* longer than print_error can say */
        sw_text_release(sw_graph_context(b->g), text);
        fail_msg("seed %d: %s", (int)seed, why);
    }
    return plan;
}

static void run_against(sw_plan *plan, sw_context *ctx, sw_value *const *real, int64_t batch, uint64_t seed)
{
    sw_tensor *outputs[OUTPUTS] = {0}, *inputs[3];
    int given = 0;
    for (int i = 0; i < sw_plan_input_count(plan); i++)
        inputs[given++] = input_of(ctx, sw_plan_input_name(plan, i)[1] - '0', batch);
    assert_ok(sw_plan_run(plan, inputs, outputs, NULL));
    for (int i = 0; i < sw_plan_output_count(plan); i++) {
        int which = sw_plan_output_name(plan, i)[1] - '0';
        double off = difference(outputs[i], sw_value_tensor(real[which]));
        if (!(off < 1e-3)) {
            char *text = sw_plan_explain(plan);
            fprintf(stderr, "%s\n", text); /* longer than print_error can say */
            sw_text_release(ctx, text);
            fail_msg("seed %d, batch %d: result %d differs by %g", (int)seed, (int)batch, which, off);
        }
        sw_tensor_release(outputs[i]);
    }
    for (int i = 0; i < given; i++)
        sw_tensor_release(inputs[i]);
}

/* Without samples a mean is no number, and "the rest" of a shape is anything. */
static bool has_meaning(const struct move *moves, int count, int64_t batch)
{
    for (int i = 0; i < count && batch == 0; i++)
        if (moves[i].row == FOLD || moves[i].row == MEAN)
            return false;
    return true;
}

static void test_drawn_shapes_agree_awake_by_reference_and_by_kernels(void **state)
{
    (void)state;
    sw_context *ref = context_of("ref", 1), *cpu = context_of("cpu", 1);
    struct move moves[MOST];
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        int count = draw(ref, seed, moves);
        struct build slow = replay(ref, moves, count, 0, false, seed), fast = replay(cpu, moves, count, 0, false, seed);
        sw_plan *plans[] = {plan_results(&slow, true, seed), plan_results(&fast, false, seed)};
        for (int i = 0; i < BATCHES && has_meaning(moves, count, batches[i]); i++) {
            struct build real = replay(ref, moves, count, batches[i], true, seed);
            check_dims(&slow, &real, batches[i], seed);
            sw_value *outputs[OUTPUTS];
            results(&real, outputs, seed);
            run_against(plans[0], ref, outputs, batches[i], seed);
            run_against(plans[1], cpu, outputs, batches[i], seed);
            sw_graph_free(real.g);
        }
        for (int k = 0; k < 2; k++)
            sw_plan_free(plans[k]);
        sw_graph_free(slow.g);
        sw_graph_free(fast.g);
    }
    sw_context_free(ref);
    sw_context_free(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drawn_shapes_agree_awake_by_reference_and_by_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
