/* dim_value.c: dims in numbers and in words: ranges, evaluation, binding of symbols, text. */
#include <stdio.h>
#include <string.h>

#include "graph/polynomial.h"

/* ---- ranges: saturating, INT64_MIN and INT64_MAX stand for "no bound" ---- */
struct range {
    int64_t low, high;
};

static bool endless(int64_t x) { return x == INT64_MIN || x == INT64_MAX; }

/* `end` is the end of the range that is added up: what is endless there stays endless. */
static int64_t saturated_add(int64_t a, int64_t b, int64_t end)
{
    int64_t sum;
    if (a == end || b == end)
        return end;
    return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

static int64_t saturated_mul(int64_t a, int64_t b)
{
    int64_t product;
    bool negative = (a < 0) != (b < 0);
    if (a == 0 || b == 0)
        return 0;
    if (endless(a) || endless(b) || __builtin_mul_overflow(a, b, &product))
        return negative ? INT64_MIN : INT64_MAX;
    return product;
}

static struct range range_mul(struct range a, struct range b)
{
    int64_t corners[4] = {saturated_mul(a.low, b.low), saturated_mul(a.low, b.high), saturated_mul(a.high, b.low),
                          saturated_mul(a.high, b.high)};
    struct range range = {corners[0], corners[0]};
    for (int i = 1; i < 4; i++) {
        range.low = corners[i] < range.low ? corners[i] : range.low;
        range.high = corners[i] > range.high ? corners[i] : range.high;
    }
    return range;
}

static struct range range_of(const sw_graph *g, sw_dim dim);

static struct range range_sum(const sw_graph *g, const struct sw_expression *e)
{
    struct range sum = {0, 0};
    for (int i = 0; i < e->count; i++) {
        struct range product = {e->terms[i].coefficient, e->terms[i].coefficient};
        for (int k = 0; k < e->terms[i].degree; k++)
            product = range_mul(product, range_of(g, e->terms[i].atoms[k]));
        sum.low = saturated_add(sum.low, product.low, INT64_MIN);
        sum.high = saturated_add(sum.high, product.high, INT64_MAX);
    }
    return sum;
}

static int64_t quotient(int64_t a, int64_t b)
{
    return endless(a) ? a : endless(b) ? (a < 0 ? -1 : 0) : a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Only for positive divisors, as dims are; a divisor of 0 is an error when it is met. */
static struct range range_quotient(struct range a, struct range b)
{
    if (b.low < 1)
        b.low = 1;
    if (b.high < b.low)
        return (struct range){INT64_MIN, INT64_MAX};
    int64_t low = quotient(a.low, a.low < 0 ? b.low : b.high), high = quotient(a.high, a.high < 0 ? b.high : b.low);
    return (struct range){low, high};
}

static struct range range_of(const sw_graph *g, sw_dim dim)
{
    const struct sw_expression *e = sw_dim_expression(g, dim);
    if (!e)
        return dim > SW_DIM_UNKNOWN ? (struct range){dim, dim} : (struct range){INT64_MIN, INT64_MAX};
    if (e->kind == SW_EXPRESSION_SYMBOL)
        return (struct range){g->dims.symbols.items[e->symbol].low, g->dims.symbols.items[e->symbol].high};
    if (e->kind == SW_EXPRESSION_SUM)
        return range_sum(g, e);
    struct range a = range_of(g, e->a), b = range_of(g, e->b);
    if (e->kind == SW_EXPRESSION_QUOTIENT)
        return range_quotient(a, b);
    struct range least = {a.low < b.low ? a.low : b.low, a.high < b.high ? a.high : b.high};
    struct range most = {a.low > b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
    if (e->kind == SW_EXPRESSION_BROADCAST)
        return (struct range){least.low, most.high};
    return e->kind == SW_EXPRESSION_MINIMUM ? least : most;
}

void sw_dim_range(const sw_graph *g, sw_dim dim, int64_t *low, int64_t *high)
{
    struct range range = range_of(g, dim);
    *low = range.low;
    *high = range.high;
}

/* ---- evaluation ---- */
/* SW_NOT_FOUND, without a text, for a symbol that is not bound. */
static sw_status value_of(const sw_graph *g, sw_dim dim, const int64_t *values, int64_t *result);

static sw_status overflow(void) { return sw_fail(SW_SHAPE, "a dim has more than 63 bits"); }

static sw_status value_of_sum(const sw_graph *g, const struct sw_expression *e, const int64_t *values, int64_t *result)
{
    int64_t sum = 0;
    for (int i = 0; i < e->count; i++) {
        int64_t product = e->terms[i].coefficient;
        for (int k = 0; k < e->terms[i].degree; k++) {
            int64_t factor;
            SW_TRY(value_of(g, e->terms[i].atoms[k], values, &factor));
            if (__builtin_mul_overflow(product, factor, &product))
                return overflow();
        }
        if (__builtin_add_overflow(sum, product, &sum))
            return overflow();
    }
    *result = sum;
    return SW_OK;
}

static sw_status value_of(const sw_graph *g, sw_dim dim, const int64_t *values, int64_t *result)
{
    int64_t a, b;
    const struct sw_expression *e = sw_dim_expression(g, dim);
    if (!e) {
        *result = dim;
        return dim > SW_DIM_UNKNOWN ? SW_OK : SW_NOT_FOUND;
    }
    if (e->kind == SW_EXPRESSION_SYMBOL) {
        *result = values[e->symbol];
        return *result >= 0 ? SW_OK : SW_NOT_FOUND;
    }
    if (e->kind == SW_EXPRESSION_SUM)
        return value_of_sum(g, e, values, result);
    SW_TRY(value_of(g, e->a, values, &a));
    SW_TRY(value_of(g, e->b, values, &b));
    if (e->kind == SW_EXPRESSION_QUOTIENT && (b == 0 || (b == -1 && a == INT64_MIN)))
        return sw_fail(SW_SHAPE, "a dim is divided by %lld", (long long)b);
    if (e->kind == SW_EXPRESSION_BROADCAST && a != b && a != 1 && b != 1)
        return sw_fail(SW_SHAPE, "dims %lld and %lld do not broadcast", (long long)a, (long long)b);
    switch (e->kind) {
    case SW_EXPRESSION_QUOTIENT:
        *result = a / b - (a % b != 0 && (a < 0) != (b < 0));
        break;
    case SW_EXPRESSION_MINIMUM:
        *result = a < b ? a : b;
        break;
    case SW_EXPRESSION_MAXIMUM:
        *result = a > b ? a : b;
        break;
    default:
        *result = a == 1 ? b : a;
        break;
    }
    return SW_OK;
}

sw_status sw_dim_eval(const sw_graph *g, sw_dim dim, const int64_t *values, int64_t *result)
{
    sw_status status = value_of(g, dim, values, result);
    if (status == SW_NOT_FOUND)
        *result = -1;
    return status == SW_NOT_FOUND ? SW_OK : status;
}

/* ---- binding ---- */
static sw_status bind(const sw_graph *g, int symbol, int64_t dim, const char *what, int axis, int64_t *values)
{
    const struct symbol *s = &g->dims.symbols.items[symbol];
    if (values[symbol] >= 0 && values[symbol] != dim)
        return sw_fail(SW_SHAPE, "'%s': dim %d is %lld, needs %s = %lld as elsewhere", what, axis, (long long)dim,
                       s->name, (long long)values[symbol]);
    if (dim < s->low || dim > s->high)
        return sw_fail(SW_SHAPE, "'%s': dim %d is %lld, needs %s in %lld..%lld", what, axis, (long long)dim, s->name,
                       (long long)s->low, (long long)s->high);
    values[symbol] = dim;
    return SW_OK;
}

static sw_status unify(const sw_graph *g, sw_dim wanted, int64_t dim, const char *what, int axis, int64_t *values)
{
    const struct sw_expression *e = sw_dim_expression(g, wanted);
    int64_t needed;
    if (wanted == SW_DIM_UNKNOWN)
        return SW_OK;
    if (e && e->kind == SW_EXPRESSION_SYMBOL)
        return bind(g, e->symbol, dim, what, axis, values);
    sw_status status = value_of(g, wanted, values, &needed);
    if (status == SW_NOT_FOUND || (status == SW_OK && needed == dim))
        return SW_OK;
    if (status != SW_OK)
        return sw_fail_in(status, "'%s': dim %d", what, axis);
    char text[160];
    return sw_fail(SW_SHAPE, "'%s': dim %d is %lld, needs %lld%s%s%s", what, axis, (long long)dim, (long long)needed,
                   e ? " (" : "", e ? sw_dim_text(g, wanted, text, sizeof text) : "", e ? ")" : "");
}

sw_status sw_type_unify(const sw_graph *g, const sw_type *type, sw_dims dims, const char *what, int64_t *values)
{
    if (type->kind != SW_TENSOR)
        return sw_fail(SW_SHAPE, "'%s': a tensor is given, needs a %s", what, sw_kind_name(type->kind));
    if (type->rank < 0)
        return SW_OK;
    if (type->rank != dims.rank) {
        char text[192];
        return sw_fail(SW_SHAPE, "'%s': %d dims are given, needs %d: %s", what, dims.rank, type->rank,
                       sw_type_text(g, type, text, sizeof text));
    }
    for (int i = 0; i < dims.rank; i++) /* symbols first: an expression may need what a later axis binds */
        if (sw_dim_expression(g, type->dims[i]) && sw_dim_expression(g, type->dims[i])->kind == SW_EXPRESSION_SYMBOL)
            SW_TRY(unify(g, type->dims[i], dims.dim[i], what, i, values));
    for (int i = 0; i < dims.rank; i++)
        SW_TRY(unify(g, type->dims[i], dims.dim[i], what, i, values));
    return SW_OK;
}

/* ---- text ---- */
struct line {
    char *text;
    size_t size, used;
};

static void say(struct line *line, const char *words)
{
    size_t length = strlen(words), room = line->size - line->used;
    if (length + 1 > room)
        length = room ? room - 1 : 0;
    if (!room)
        return;
    memcpy(line->text + line->used, words, length);
    line->used += length;
    line->text[line->used] = '\0';
}

static void say_number(struct line *line, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    say(line, digits);
}

static void say_dim(const sw_graph *g, struct line *line, sw_dim dim, bool grouped);

static void say_sum(const sw_graph *g, struct line *line, const struct sw_expression *e)
{
    for (int i = 0; i < e->count; i++) {
        const struct term *term = &e->terms[i];
        bool negative = term->coefficient < 0;
        say(line, i ? (negative ? " - " : " + ") : (negative ? "-" : ""));
        int64_t size = negative ? -term->coefficient : term->coefficient;
        if (size != 1 || term->degree == 0)
            say_number(line, size);
        for (int k = 0; k < term->degree; k++) {
            say(line, k || size != 1 ? "*" : "");
            say_dim(g, line, term->atoms[k], true);
        }
    }
}

static void say_dim(const sw_graph *g, struct line *line, sw_dim dim, bool grouped)
{
    static const char *const heads[] = {
        [SW_EXPRESSION_MINIMUM] = "min", [SW_EXPRESSION_MAXIMUM] = "max", [SW_EXPRESSION_BROADCAST] = "broadcast"};
    const struct sw_expression *e = sw_dim_expression(g, dim);
    if (!e && dim <= SW_DIM_UNKNOWN)
        say(line, "?");
    else if (!e)
        say_number(line, dim);
    else if (e->kind == SW_EXPRESSION_SYMBOL)
        say(line, g->dims.symbols.items[e->symbol].name);
    else if (e->kind == SW_EXPRESSION_SUM || e->kind == SW_EXPRESSION_QUOTIENT) {
        say(line, grouped ? "(" : "");
        if (e->kind == SW_EXPRESSION_SUM)
            say_sum(g, line, e);
        else {
            say_dim(g, line, e->a, true);
            say(line, "/");
            say_dim(g, line, e->b, true);
        }
        say(line, grouped ? ")" : "");
    } else {
        say(line, heads[e->kind]);
        say(line, "(");
        say_dim(g, line, e->a, false);
        say(line, ", ");
        say_dim(g, line, e->b, false);
        say(line, ")");
    }
}

char *sw_dim_text(const sw_graph *g, sw_dim dim, char *text, size_t size)
{
    struct line line = {text, size, 0};
    if (size)
        text[0] = '\0';
    say_dim(g, &line, dim, false);
    return text;
}
