/* What dim.h promises: equal expressions are equal numbers, every expression evaluates to what plain arithmetic gives,
 * and nothing crashes when memory or patience ends. The truth is brute force over small bindings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/context.h"
#include "base/random.h"
#include "graph/dim.h"

struct world {
    sw_context *ctx;
    sw_graph *g;
    sw_dim n, m, k;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->ctx = sw_context_create(NULL);
    w->g = sw_graph_new(w->ctx, 0);
    w->n = sw_symbol(w->g, "N");
    w->m = sw_symbol(w->g, "M");
    w->k = sw_symbol_bounded(w->g, "K", 2, 9);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sw_graph_free(w->g);
    sw_context_free(w->ctx);
    free(w);
    return 0;
}

static void assert_text(sw_graph *g, sw_dim dim, const char *text)
{
    char got[256];
    assert_string_equal(sw_dim_text(g, dim, got, sizeof got), text);
}

static void test_sums_and_products_have_one_form(void **state)
{
    struct world *w = *state;
    sw_graph *g = w->g;
    sw_dim n = w->n, m = w->m;
    assert_int_equal(sw_symbol(g, "N"), n);
    assert_int_equal(sw_dim_add(g, n, m), sw_dim_add(g, m, n));
    assert_int_equal(sw_dim_sub(g, sw_dim_add(g, n, m), m), n);
    assert_int_equal(sw_dim_sub(g, n, n), 0);
    sw_dim square = sw_dim_mul(g, sw_dim_add(g, n, m), sw_dim_add(g, n, m));
    sw_dim parts =
        sw_dim_add(g, sw_dim_add(g, sw_dim_mul(g, n, n), sw_dim_mul(g, m, m)), sw_dim_mul(g, 2, sw_dim_mul(g, n, m)));
    assert_int_equal(square, parts);
    assert_text(g, sw_dim_sub(g, sw_dim_mul(g, 2, n), 1), "2*N - 1");
    assert_text(g, square, "N*N + 2*N*M + M*M");
    assert_text(g, SW_DIM_UNKNOWN, "?");
    assert_text(g, 28, "28");
}

static void test_division_is_reduced(void **state)
{
    struct world *w = *state;
    sw_graph *g = w->g;
    sw_dim n = w->n, m = w->m;
    assert_int_equal(sw_dim_div(g, sw_dim_mul(g, n, 4), 2), sw_dim_mul(g, n, 2));
    assert_int_equal(sw_dim_div(g, sw_dim_mul(g, n, m), n), m);
    assert_int_equal(sw_dim_div(g, sw_dim_div(g, n, 2), 3), sw_dim_div(g, n, 6));
    assert_int_equal(sw_dim_div(g, sw_dim_mul(g, 2, n), 4), sw_dim_div(g, n, 2));
    assert_int_equal(sw_dim_div(g, sw_dim_add(g, sw_dim_mul(g, 3, n), 5), 2),
                     sw_dim_add(g, sw_dim_add(g, n, 2), sw_dim_div(g, sw_dim_add(g, n, 1), 2)));
    assert_int_equal(sw_dim_ceil_div(g, n, 2), sw_dim_div(g, sw_dim_add(g, n, 1), 2));
    assert_int_equal(sw_dim_mod(g, sw_dim_mul(g, n, 6), 3), 0);
    assert_int_equal(sw_dim_div(g, sw_dim_mul(g, sw_dim_mul(g, n, m), 3), sw_dim_mul(g, n, 2)),
                     sw_dim_div(g, sw_dim_mul(g, m, 3), 2));
    /* (N + 1) (M + 2) / (M + 2) */
    sw_dim a = sw_dim_add(g, n, 1), b = sw_dim_add(g, m, 2);
    assert_int_equal(sw_dim_div(g, sw_dim_mul(g, a, b), b), a);
    assert_text(g, sw_dim_div(g, sw_dim_add(g, n, 1), 2), "(N + 1)/2");
    assert_int_equal(sw_dim_div(g, -7, 2), -4);
    assert_int_equal(sw_dim_mod(g, -7, 2), 1);
    assert_int_equal(sw_dim_ceil_div(g, 7, 2), 4);
}

static void test_minimum_and_maximum_are_commutative_associative_and_use_bounds(void **state)
{
    struct world *w = *state;
    sw_graph *g = w->g;
    sw_dim n = w->n, m = w->m, k = w->k;
    assert_int_equal(sw_dim_max(g, n, m), sw_dim_max(g, m, n));
    assert_int_equal(sw_dim_max(g, n, sw_dim_max(g, m, k)), sw_dim_max(g, sw_dim_max(g, k, n), m));
    assert_int_equal(sw_dim_max(g, n, sw_dim_max(g, n, m)), sw_dim_max(g, n, m));
    assert_int_equal(sw_dim_min(g, n, sw_dim_add(g, n, 1)), n);
    assert_int_equal(sw_dim_max(g, k, 1), k);
    assert_int_equal(sw_dim_min(g, k, 9), k);
    assert_int_equal(sw_dim_max(g, n, 0), n);
    assert_int_equal(sw_dim_div(g, k, 16), 0);
    assert_text(g, sw_dim_min(g, n, 5), "min(5, N)");
}

static void test_broadcast_follows_numpy(void **state)
{
    struct world *w = *state;
    sw_graph *g = w->g;
    bool ok;
    assert_int_equal(sw_dim_broadcast(g, 1, 7, &ok), 7);
    assert_true(ok);
    assert_int_equal(sw_dim_broadcast(g, 0, 1, &ok), 0);
    assert_true(ok);
    sw_dim_broadcast(g, 2, 3, &ok);
    assert_false(ok);
    assert_int_equal(sw_dim_broadcast(g, w->n, 1, &ok), w->n);
    assert_int_equal(sw_dim_broadcast(g, w->n, 7, &ok), 7);
    assert_true(ok);
    assert_int_equal(sw_dim_broadcast(g, w->n, w->k, &ok), w->k); /* K is never 1 */
    assert_true(ok);
    sw_dim_broadcast(g, w->k, 10, &ok); /* K is at most 9 */
    assert_false(ok);
    assert_int_equal(sw_dim_broadcast(g, SW_DIM_UNKNOWN, 4, &ok), 4);
    assert_int_equal(sw_dim_broadcast(g, SW_DIM_UNKNOWN, 1, &ok), SW_DIM_UNKNOWN);

    sw_dim both = sw_dim_broadcast(g, w->n, w->m, &ok);
    assert_true(ok);
    assert_int_equal(both, sw_dim_broadcast(g, w->m, w->n, &ok));
    int64_t result;
    assert_int_equal(sw_dim_eval(g, both, (int64_t[]){1, 6, -1}, &result), SW_OK);
    assert_int_equal(result, 6);
    assert_int_equal(sw_dim_eval(g, both, (int64_t[]){0, 1, -1}, &result), SW_OK);
    assert_int_equal(result, 0);
    assert_int_equal(sw_dim_eval(g, both, (int64_t[]){2, 3, -1}, &result), SW_SHAPE);
    assert_int_equal(sw_dim_eval(g, both, (int64_t[]){2, -1, -1}, &result), SW_OK);
    assert_int_equal(result, -1);
}

/* ---- random expressions against plain arithmetic ---- */
enum { SYMBOLS = 3, BINDINGS = 24 };
struct pair {
    sw_dim dim;
    int64_t values[BINDINGS]; /* what plain arithmetic gives for each binding */
    bool defined[BINDINGS];   /* no division by 0, no broadcast of what does not */
};

static int64_t plain_floor(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b > a || (a % b && (a < 0) != (b < 0)) ? q - 1 : q;
}

static struct pair combine(struct world *w, int op, const struct pair *a, const struct pair *b)
{
    sw_graph *g = w->g;
    struct pair result = {0};
    switch (op) {
    case 0:
        result.dim = sw_dim_add(g, a->dim, b->dim);
        break;
    case 1:
        result.dim = sw_dim_sub(g, a->dim, b->dim);
        break;
    case 2:
        result.dim = sw_dim_mul(g, a->dim, b->dim);
        break;
    case 3:
        result.dim = sw_dim_div(g, a->dim, b->dim);
        break;
    case 4:
        result.dim = sw_dim_mod(g, a->dim, b->dim);
        break;
    case 5:
        result.dim = sw_dim_min(g, a->dim, b->dim);
        break;
    case 6:
        result.dim = sw_dim_max(g, a->dim, b->dim);
        break;
    default:
        result.dim = sw_dim_ceil_div(g, a->dim, b->dim);
        break;
    }
    for (int i = 0; i < BINDINGS; i++) {
        int64_t x = a->values[i], y = b->values[i];
        bool divides = op == 3 || op == 4 || op == 7;
        result.defined[i] = a->defined[i] && b->defined[i] && !(divides && y <= 0);
        if (!result.defined[i])
            continue;
        int64_t values[] = {x + y, x - y, x * y, 0, 0, x < y ? x : y, x > y ? x : y, 0};
        if (divides) {
            values[3] = plain_floor(x, y);
            values[4] = x - y * values[3];
            values[7] = plain_floor(x + y - 1, y);
        }
        result.values[i] = values[op];
    }
    return result;
}

/* Divisors are sizes: a constant, a symbol, or a sum of them. */
static bool may_divide(const struct pair *by)
{
    for (int i = 0; i < BINDINGS; i++)
        if (by->defined[i] && by->values[i] < 0)
            return false;
    return by->dim != 0;
}

static void test_random_expressions_evaluate_as_plain_arithmetic(void **state)
{
    struct world *w = *state;
    sw_random_address at = {.seed = 7, .stream = 1};
    int64_t bindings[BINDINGS][SYMBOLS];
    uint64_t draw = 0, checked = 0;
    for (int i = 0; i < BINDINGS; i++)
        for (int s = 0; s < SYMBOLS; s++)
            bindings[i][s] =
                s == 2 ? 2 + (int64_t)sw_random_below(at, draw++, 8) : (int64_t)sw_random_below(at, draw++, 12);
    for (int round = 0; round < 400; round++) {
        struct pair pool[24];
        int count = 0;
        for (int s = 0; s < SYMBOLS; s++, count++) {
            pool[count].dim = (sw_dim[]){w->n, w->m, w->k}[s];
            for (int i = 0; i < BINDINGS; i++)
                pool[count].values[i] = bindings[i][s], pool[count].defined[i] = true;
        }
        for (int c = 0; c < 4; c++, count++) {
            pool[count].dim = (sw_dim)sw_random_below(at, draw++, 7);
            for (int i = 0; i < BINDINGS; i++)
                pool[count].values[i] = pool[count].dim, pool[count].defined[i] = true;
        }
        while (count < 16) {
            int op = (int)sw_random_below(at, draw++, 8);
            const struct pair *a = &pool[sw_random_below(at, draw++, (uint64_t)count)];
            const struct pair *b = &pool[sw_random_below(at, draw++, (uint64_t)count)];
            if ((op == 3 || op == 4 || op == 7) && !may_divide(b))
                continue;
            pool[count] = combine(w, op, a, b);
            assert_true(sw_ok(w->g));
            for (int i = 0; i < BINDINGS; i++) {
                int64_t got, low, high;
                if (!pool[count].defined[i] || sw_dim_eval(w->g, pool[count].dim, bindings[i], &got) != SW_OK)
                    continue; /* a quotient that cancelled may be defined where plain arithmetic is not, never the
                                 reverse */
                if (got != pool[count].values[i]) {
                    char x[200], y[200], z[200];
                    fail_msg("op %d of %s and %s gave %s, which is %lld and not %lld", op,
                             sw_dim_text(w->g, a->dim, x, 200), sw_dim_text(w->g, b->dim, y, 200),
                             sw_dim_text(w->g, pool[count].dim, z, 200), (long long)got,
                             (long long)pool[count].values[i]);
                }
                sw_dim_range(w->g, pool[count].dim, &low, &high);
                assert_true(low <= got && got <= high);
                checked++;
            }
            count++;
        }
    }
    assert_true(checked > 40000);
}

/* Every law of arithmetic that the normal form must make an equality of numbers. */
static void test_laws_hold_on_random_polynomials(void **state)
{
    struct world *w = *state;
    sw_graph *g = w->g;
    sw_random_address at = {.seed = 8, .stream = 2};
    uint64_t draw = 0;
    for (int round = 0; round < 300; round++) {
        sw_dim x[3];
        for (int i = 0; i < 3; i++) {
            x[i] = (sw_dim)sw_random_below(at, draw++, 5);
            for (int t = 0; t < 3; t++) {
                sw_dim atom = (sw_dim[]){w->n, w->m, w->k, sw_dim_div(g, w->n, 3), 2}[sw_random_below(at, draw++, 5)];
                x[i] = sw_random_below(at, draw++, 2) ? sw_dim_add(g, x[i], atom) : sw_dim_mul(g, x[i], atom);
            }
        }
        assert_int_equal(sw_dim_add(g, x[0], sw_dim_add(g, x[1], x[2])),
                         sw_dim_add(g, sw_dim_add(g, x[0], x[1]), x[2]));
        assert_int_equal(sw_dim_mul(g, x[0], x[1]), sw_dim_mul(g, x[1], x[0]));
        assert_int_equal(sw_dim_mul(g, x[0], sw_dim_mul(g, x[1], x[2])),
                         sw_dim_mul(g, sw_dim_mul(g, x[0], x[1]), x[2]));
        assert_int_equal(sw_dim_mul(g, x[0], sw_dim_add(g, x[1], x[2])),
                         sw_dim_add(g, sw_dim_mul(g, x[0], x[1]), sw_dim_mul(g, x[0], x[2])));
        assert_int_equal(sw_dim_sub(g, sw_dim_add(g, x[0], x[1]), x[1]), x[0]);
        if (x[1] != 0)
            assert_int_equal(sw_dim_div(g, sw_dim_mul(g, x[0], x[1]), x[1]), x[0]);
        assert_int_equal(sw_dim_div(g, sw_dim_add(g, sw_dim_mul(g, 6, x[0]), x[1]), 6),
                         sw_dim_add(g, x[0], sw_dim_div(g, x[1], 6)));
    }
    assert_true(sw_ok(g));
}

/* ---- binding ---- */
static void test_unify_binds_symbols_and_names_what_disagrees(void **state)
{
    struct world *w = *state;
    sw_type type = SW_TYPE(SW_F32, w->n, 1, 28, sw_dim_mul(w->g, 2, w->n));
    int64_t values[3] = {-1, -1, -1};
    assert_int_equal(sw_type_unify(w->g, &type, SW_DIMS(5, 1, 28, 10), "x", values), SW_OK);
    assert_int_equal(values[0], 5);
    assert_int_equal(sw_type_unify(w->g, &type, SW_DIMS(6, 1, 28, 12), "x", values), SW_SHAPE);
    assert_string_equal(sw_error_text(), "'x': dim 0 is 6, needs N = 5 as elsewhere");
    assert_int_equal(sw_type_unify(w->g, &type, SW_DIMS(5, 1, 27, 10), "x", values), SW_SHAPE);
    assert_string_equal(sw_error_text(), "'x': dim 2 is 27, needs 28");
    assert_int_equal(sw_type_unify(w->g, &type, SW_DIMS(5, 1, 28, 11), "x", values), SW_SHAPE);
    assert_string_equal(sw_error_text(), "'x': dim 3 is 11, needs 10 (2*N)");
    assert_int_equal(sw_type_unify(w->g, &type, SW_DIMS(5), "x", values), SW_SHAPE);
    sw_type bounded = SW_TYPE(SW_F32, w->k);
    assert_int_equal(sw_type_unify(w->g, &bounded, SW_DIMS(10), "y", values), SW_SHAPE);
    assert_string_equal(sw_error_text(), "'y': dim 0 is 10, needs K in 2..9");
    assert_int_equal(sw_type_unify(w->g, &bounded, SW_DIMS(9), "y", values), SW_OK);
}

static void test_an_expression_waits_for_its_symbols(void **state)
{
    struct world *w = *state;
    sw_type later = SW_TYPE(SW_F32, sw_dim_add(w->g, w->m, 1)), symbol = SW_TYPE(SW_F32, w->m);
    int64_t values[3] = {-1, -1, -1};
    assert_int_equal(sw_type_unify(w->g, &later, SW_DIMS(8), "x", values), SW_OK);
    assert_int_equal(sw_type_unify(w->g, &symbol, SW_DIMS(6), "y", values), SW_OK);
    assert_int_equal(sw_type_unify(w->g, &later, SW_DIMS(8), "x", values), SW_SHAPE);
}

/* ---- limits ---- */
static void test_overflow_fails_the_graph(void **state)
{
    struct world *w = *state;
    sw_dim big = INT64_C(1) << 40;
    assert_int_equal(sw_dim_mul(w->g, big, big), SW_DIM_UNKNOWN);
    assert_int_equal(sw_graph_status(w->g), SW_SHAPE);
    assert_int_equal(sw_dim_add(w->g, w->n, SW_DIM_UNKNOWN), SW_DIM_UNKNOWN);
}

static void test_a_degree_that_grows_without_end_is_refused(void **state)
{
    struct world *w = *state;
    sw_dim power = w->n;
    for (int i = 0; i < 100; i++)
        power = sw_dim_mul(w->g, power, w->n);
    assert_int_equal(power, SW_DIM_UNKNOWN);
    assert_false(sw_ok(w->g));
}

/* Doubling by sharing: a tree of 2^100 parts behind 100 expressions must not be walked. */
static void test_an_expression_that_doubles_is_refused(void **state)
{
    struct world *w = *state;
    sw_dim x = w->n;
    for (int i = 0; i < 100 && sw_ok(w->g); i++)
        x = sw_dim_max(w->g, sw_dim_div(w->g, sw_dim_add(w->g, x, 1), w->m),
                       sw_dim_div(w->g, sw_dim_mul(w->g, x, 3), w->k));
    assert_int_equal(sw_graph_status(w->g), SW_UNSUPPORTED);
}

static void test_contradicting_bounds_are_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(sw_symbol_bounded(w->g, "one", 1, 1), 1);
    sw_symbol_bounded(w->g, "K", 3, 20); /* both hold: 3..9 */
    int64_t low, high;
    sw_dim_range(w->g, w->k, &low, &high);
    assert_int_equal(low, 3);
    assert_int_equal(high, 9);
    assert_int_equal(sw_symbol_bounded(w->g, "K", 10, 20), SW_DIM_UNKNOWN);
    assert_int_equal(sw_graph_status(w->g), SW_INVALID);
}

static void build_some(sw_graph *g)
{
    sw_dim n = sw_symbol(g, "N"), m = sw_symbol(g, "M");
    bool ok;
    for (int i = 1; i < 20; i++) {
        sw_dim sum = sw_dim_add(g, sw_dim_mul(g, n, i), m);
        sw_dim_max(g, sw_dim_div(g, sum, 7), sw_dim_broadcast(g, n, m, &ok));
    }
}

static void test_every_allocation_may_fail(void **state)
{
    struct world *w = *state;
    for (uint64_t nth = 1;; nth++) {
        sw_graph *g = sw_graph_new(w->ctx, 0);
        sw_alloc_fail_at(w->ctx, nth);
        build_some(g);
        bool failed = sw_alloc_failed(w->ctx);
        sw_alloc_fail_at(w->ctx, 0);
        assert_int_equal(sw_graph_status(g), failed ? SW_NO_MEMORY : SW_OK);
        sw_graph_free(g);
        if (!failed)
            break;
        assert_true(nth < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums_and_products_have_one_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_division_is_reduced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_minimum_and_maximum_are_commutative_associative_and_use_bounds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_broadcast_follows_numpy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_expressions_evaluate_as_plain_arithmetic, setup, teardown),
        cmocka_unit_test_setup_teardown(test_laws_hold_on_random_polynomials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unify_binds_symbols_and_names_what_disagrees, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_expression_waits_for_its_symbols, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overflow_fails_the_graph, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_degree_that_grows_without_end_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_expression_that_doubles_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contradicting_bounds_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
