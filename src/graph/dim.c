/* dim.c: expressions over symbols, each written in one way only.
 *
 * A dim is a polynomial with integer coefficients over atoms; an atom is a symbol, or a division, minimum, maximum or
 * broadcast of other dims that cannot be written as a polynomial. Every expression is put into a normal form (terms in
 * graded order, quotients reduced, lattice operations flattened and sorted) and looked up in the graph's table before
 * it is made, so equal expressions are one number and comparing is comparing numbers.
 *
 * Remainder and rounded-up division have no form of their own: a mod b is a - b * (a / b), and rounding up is
 * (a + b - 1) / b, so that both meet divisions written by hand. */
#include "graph/dim.h"

#include <string.h>

#include "graph/polynomial.h"

/* ---- polynomials and back ---- */
static void polynomial_of(const sw_graph *g, sw_dim dim, struct polynomial *p)
{
    const struct sw_expression *e = sw_dim_expression(g, dim);
    if (e && e->kind == SW_EXPRESSION_SUM) {
        p->count = e->count;
        memcpy(p->terms, e->terms, (size_t)e->count * sizeof *e->terms);
        return;
    }
    p->count = e || dim ? 1 : 0;
    p->terms[0] = e ? (struct term){.coefficient = 1, .degree = 1, .atoms = {dim}} : (struct term){.coefficient = dim};
}

static sw_dim dim_from(sw_graph *g, struct polynomial *p)
{
    if (p->count == 0)
        return 0;
    if (p->count == 1 && p->terms[0].degree == 0) {
        if (p->terms[0].coefficient > SW_DIM_UNKNOWN)
            return p->terms[0].coefficient;
        return sw_dim_fail(g, sw_fail(SW_SHAPE, "a dim of %lld is out of range", (long long)p->terms[0].coefficient));
    }
    if (p->count == 1 && p->terms[0].degree == 1 && p->terms[0].coefficient == 1)
        return p->terms[0].atoms[0];
    return sw_dim_intern(g, (struct sw_expression){.kind = SW_EXPRESSION_SUM, .count = p->count, .terms = p->terms});
}

static sw_dim too_large(sw_graph *g)
{
    return sw_dim_fail(g, sw_fail(SW_SHAPE, "a dim is too large: more than 63 bits, %d terms or degree %d",
                                  POLYNOMIAL_TERMS, POLYNOMIAL_DEGREE));
}

static bool plain(sw_dim dim) { return dim > SW_DIM_UNKNOWN; }

/* Constants, the usual case, need no polynomial. */
static sw_dim constant(sw_graph *g, bool overflow, const int64_t *value)
{
    return overflow || *value <= SW_DIM_UNKNOWN ? too_large(g) : *value;
}

typedef bool (*combine)(struct polynomial *p, const struct polynomial *q);

static sw_dim combined(sw_graph *g, sw_dim a, sw_dim b, combine op)
{
    struct polynomial p, q;
    polynomial_of(g, a, &p);
    polynomial_of(g, b, &q);
    return op(&p, &q) ? dim_from(g, &p) : too_large(g);
}

static bool unknown(sw_dim a, sw_dim b) { return a == SW_DIM_UNKNOWN || b == SW_DIM_UNKNOWN; }

sw_dim sw_dim_add(sw_graph *g, sw_dim a, sw_dim b)
{
    int64_t sum = 0;
    if (unknown(a, b))
        return SW_DIM_UNKNOWN;
    if (plain(a) && plain(b))
        return constant(g, __builtin_add_overflow(a, b, &sum), &sum);
    return combined(g, a, b, sw_polynomial_add);
}

sw_dim sw_dim_sub(sw_graph *g, sw_dim a, sw_dim b)
{
    int64_t difference = 0;
    if (unknown(a, b))
        return SW_DIM_UNKNOWN;
    if (plain(a) && plain(b))
        return constant(g, __builtin_sub_overflow(a, b, &difference), &difference);
    return combined(g, a, b, sw_polynomial_sub);
}

sw_dim sw_dim_mul(sw_graph *g, sw_dim a, sw_dim b)
{
    int64_t product = 0;
    if (unknown(a, b))
        return SW_DIM_UNKNOWN;
    if (plain(a) && plain(b))
        return constant(g, __builtin_mul_overflow(a, b, &product), &product);
    return combined(g, a, b, sw_polynomial_mul);
}

/* ---- division ---- */
static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* floor(R / k) where only one thing is left: a quotient inside becomes one quotient, a range without a step a number.
 */
static sw_dim quotient_atom(sw_graph *g, sw_dim rest, sw_dim divisor)
{
    int64_t low, high;
    sw_dim_range(g, rest, &low, &high);
    if (plain(divisor) && low != INT64_MIN && high != INT64_MAX && floor_div(low, divisor) == floor_div(high, divisor))
        return floor_div(low, divisor);
    struct polynomial p;
    polynomial_of(g, rest, &p);
    const struct sw_expression *inner =
        p.count && p.terms[0].degree == 1 ? sw_dim_expression(g, p.terms[0].atoms[0]) : NULL;
    bool alone = p.count == 1 || (p.count == 2 && p.terms[1].degree == 0);
    if (inner && inner->kind == SW_EXPRESSION_QUOTIENT && alone && p.terms[0].coefficient == 1 && plain(inner->b) &&
        plain(divisor)) {
        /* floor((floor(x / m) + c) / k) = floor((x + c m) / (m k)) */
        sw_dim offset = sw_dim_mul(g, p.count == 2 ? p.terms[1].coefficient : 0, inner->b);
        return sw_dim_div(g, sw_dim_add(g, inner->a, offset), sw_dim_mul(g, inner->b, divisor));
    }
    return sw_dim_intern(g, (struct sw_expression){.kind = SW_EXPRESSION_QUOTIENT, .a = rest, .b = divisor});
}

/* floor(a / k), k >= 2: what k divides goes out, what is left is reduced by what it has in common with k. */
static sw_dim divide_by_constant(sw_graph *g, sw_dim a, int64_t k)
{
    struct polynomial p, whole;
    polynomial_of(g, a, &p);
    int64_t common = sw_polynomial_split(&p, &whole, k);
    sw_dim outside = dim_from(g, &whole), rest = dim_from(g, &p);
    if (plain(rest))
        return sw_dim_add(g, outside, floor_div(rest, k / common));
    return sw_dim_add(g, outside, k == common ? rest : quotient_atom(g, rest, k / common));
}

static sw_dim divide_by_symbols(sw_graph *g, sw_dim a, sw_dim b)
{
    struct polynomial p, q, exact;
    polynomial_of(g, a, &p);
    polynomial_of(g, b, &q);
    if (sw_polynomial_divide(&p, &q, &exact))
        return dim_from(g, &exact);
    if (sw_polynomial_cancel(&p, &q)) /* x N / (y N) = x / y */
        return sw_dim_div(g, dim_from(g, &p), dim_from(g, &q));
    return sw_dim_intern(g, (struct sw_expression){.kind = SW_EXPRESSION_QUOTIENT, .a = a, .b = b});
}

sw_dim sw_dim_div(sw_graph *g, sw_dim a, sw_dim b)
{
    if (!sw_ok(g) || unknown(a, b))
        return SW_DIM_UNKNOWN;
    if (b == 0)
        return sw_dim_fail(g, sw_fail(SW_SHAPE, "a dim is divided by 0"));
    if (plain(b) && b < 0)
        return sw_dim_div(g, sw_dim_sub(g, 0, a), -b);
    if (plain(a) && plain(b))
        return floor_div(a, b);
    if (a == b || b == 1)
        return b == 1 ? a : 1;
    if (a == 0)
        return 0;
    return plain(b) ? divide_by_constant(g, a, b) : divide_by_symbols(g, a, b);
}

sw_dim sw_dim_ceil_div(sw_graph *g, sw_dim a, sw_dim b)
{
    if (plain(b) && b < 0)
        return sw_dim_ceil_div(g, sw_dim_sub(g, 0, a), -b);
    return sw_dim_div(g, sw_dim_add(g, a, sw_dim_sub(g, b, 1)), b);
}

sw_dim sw_dim_mod(sw_graph *g, sw_dim a, sw_dim b) { return sw_dim_sub(g, a, sw_dim_mul(g, b, sw_dim_div(g, a, b))); }

/* ---- minimum, maximum, broadcast: commutative, associative, a with a is a ---- */
enum { MOST_LEAVES = 16 };

static void add_leaves(const sw_graph *g, sw_expression_kind kind, sw_dim dim, sw_dim *leaves, int *count)
{
    const struct sw_expression *e = sw_dim_expression(g, dim);
    while (e && e->kind == kind && *count < MOST_LEAVES) {
        leaves[(*count)++] = e->b;
        dim = e->a;
        e = sw_dim_expression(g, dim);
    }
    if (*count < MOST_LEAVES)
        leaves[(*count)++] = dim;
}

/* Whether `a` decides against `b` for all values of the symbols. */
static bool dominates(sw_graph *g, sw_expression_kind kind, sw_dim a, sw_dim b)
{
    int64_t low, high;
    if (a == b)
        return true;
    if (kind == SW_EXPRESSION_BROADCAST) {
        sw_dim_range(g, a, &low, &high);
        return b == 1 || (plain(a) && a != 1) || low > 1;
    }
    sw_dim_range(g, sw_dim_sub(g, a, b), &low, &high);
    return kind == SW_EXPRESSION_MAXIMUM ? low >= 0 : high <= 0;
}

/* Constants first, then symbols in the order of their making. */
static void sort(sw_dim *leaves, int count)
{
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && leaves[k - 1] < leaves[k]; k--) {
            sw_dim swap = leaves[k];
            leaves[k] = leaves[k - 1];
            leaves[k - 1] = swap;
        }
}

/* Takes out every leaf that another decides against; of two that decide against each other the first stays. */
static int reduce(sw_graph *g, sw_expression_kind kind, sw_dim *leaves, int count)
{
    bool dropped[MOST_LEAVES] = {false};
    int left = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < count && !dropped[i]; k++)
            dropped[i] = k != i && !dropped[k] && dominates(g, kind, leaves[k], leaves[i]) &&
                         (k < i || !dominates(g, kind, leaves[i], leaves[k]));
    for (int i = 0; i < count; i++)
        if (!dropped[i])
            leaves[left++] = leaves[i];
    return left;
}

static sw_dim lattice(sw_graph *g, sw_expression_kind kind, sw_dim a, sw_dim b)
{
    sw_dim leaves[MOST_LEAVES];
    int count = 0;
    if (!sw_ok(g) || unknown(a, b))
        return SW_DIM_UNKNOWN;
    add_leaves(g, kind, a, leaves, &count);
    add_leaves(g, kind, b, leaves, &count);
    if (count == MOST_LEAVES)
        return sw_dim_fail(
            g, sw_fail(SW_UNSUPPORTED, "%d dims or more meet in one minimum, maximum or broadcast", MOST_LEAVES));
    sort(leaves, count);
    count = reduce(g, kind, leaves, count);
    sw_dim result = leaves[0];
    for (int i = 1; i < count && result != SW_DIM_UNKNOWN; i++)
        result = sw_dim_intern(g, (struct sw_expression){.kind = kind, .a = result, .b = leaves[i]});
    return result;
}

sw_dim sw_dim_min(sw_graph *g, sw_dim a, sw_dim b)
{
    return plain(a) && plain(b) ? (a < b ? a : b) : lattice(g, SW_EXPRESSION_MINIMUM, a, b);
}

sw_dim sw_dim_max(sw_graph *g, sw_dim a, sw_dim b)
{
    return plain(a) && plain(b) ? (a > b ? a : b) : lattice(g, SW_EXPRESSION_MAXIMUM, a, b);
}

/* Whether the two can be equal, or one of them 1, for some values of the symbols. */
static bool can_agree(const sw_graph *g, sw_dim a, sw_dim b)
{
    int64_t low_a, high_a, low_b, high_b;
    sw_dim_range(g, a, &low_a, &high_a);
    sw_dim_range(g, b, &low_b, &high_b);
    bool one = (low_a <= 1 && high_a >= 1) || (low_b <= 1 && high_b >= 1);
    return one || (low_a <= high_b && low_b <= high_a);
}

sw_dim sw_dim_broadcast(sw_graph *g, sw_dim a, sw_dim b, bool *ok)
{
    *ok = true;
    if (a == b || b == 1)
        return a;
    if (a == 1)
        return b;
    if (unknown(a, b))
        return a == SW_DIM_UNKNOWN && plain(b) ? b : b == SW_DIM_UNKNOWN && plain(a) ? a : SW_DIM_UNKNOWN;
    sw_dim leaves[MOST_LEAVES];
    int count = 0;
    add_leaves(g, SW_EXPRESSION_BROADCAST, a, leaves, &count);
    add_leaves(g, SW_EXPRESSION_BROADCAST, b, leaves, &count);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++)
            *ok = *ok && can_agree(g, leaves[i], leaves[k]);
    return *ok ? lattice(g, SW_EXPRESSION_BROADCAST, a, b) : SW_DIM_UNKNOWN;
}

bool sw_dim_always_equal(const sw_graph *g, sw_dim a, sw_dim b)
{
    (void)g;
    return a == b && a != SW_DIM_UNKNOWN;
}
