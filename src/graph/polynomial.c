/* polynomial.c: the arithmetic behind dims. Nothing here knows graphs or tables: only numbers and the order of terms.
 */
#include "graph/polynomial.h"

#include <string.h>

int sw_term_compare(const struct term *x, const struct term *y)
{
    if (x->degree != y->degree)
        return y->degree - x->degree;
    for (int i = 0; i < x->degree; i++)
        if (x->atoms[i] != y->atoms[i])
            return x->atoms[i] > y->atoms[i] ? -1 : 1;
    return 0;
}

/* p += term */
static bool add_term(struct polynomial *p, const struct term *term)
{
    int at = 0;
    while (at < p->count && sw_term_compare(&p->terms[at], term) < 0)
        at++;
    if (at < p->count && sw_term_compare(&p->terms[at], term) == 0) {
        if (__builtin_add_overflow(p->terms[at].coefficient, term->coefficient, &p->terms[at].coefficient))
            return false;
        if (p->terms[at].coefficient == 0)
            memmove(&p->terms[at], &p->terms[at + 1], (size_t)(--p->count - at) * sizeof *term);
        return true;
    }
    if (term->coefficient == 0)
        return true;
    if (p->count == POLYNOMIAL_TERMS)
        return false;
    memmove(&p->terms[at + 1], &p->terms[at], (size_t)(p->count++ - at) * sizeof *term);
    p->terms[at] = *term;
    return true;
}

bool sw_polynomial_add(struct polynomial *p, const struct polynomial *q)
{
    for (int i = 0; i < q->count; i++)
        if (!add_term(p, &q->terms[i]))
            return false;
    return true;
}

bool sw_polynomial_sub(struct polynomial *p, const struct polynomial *q)
{
    for (int i = 0; i < q->count; i++) {
        struct term term = q->terms[i];
        if (__builtin_sub_overflow(0, term.coefficient, &term.coefficient) || !add_term(p, &term))
            return false;
    }
    return true;
}

static bool term_mul(const struct term *x, const struct term *y, struct term *product)
{
    if (x->degree + y->degree > POLYNOMIAL_DEGREE ||
        __builtin_mul_overflow(x->coefficient, y->coefficient, &product->coefficient))
        return false;
    product->degree = x->degree + y->degree;
    for (int i = 0, j = 0; i + j < product->degree;) {
        bool first = j == y->degree || (i < x->degree && x->atoms[i] >= y->atoms[j]);
        product->atoms[i + j] = first ? x->atoms[i] : y->atoms[j];
        if (first)
            i++;
        else
            j++;
    }
    return true;
}

/* product += q * term */
static bool add_multiple(struct polynomial *product, const struct polynomial *q, const struct term *term)
{
    for (int i = 0; i < q->count; i++) {
        struct term each;
        if (!term_mul(&q->terms[i], term, &each) || !add_term(product, &each))
            return false;
    }
    return true;
}

bool sw_polynomial_mul(struct polynomial *p, const struct polynomial *q)
{
    struct polynomial product;
    product.count = 0;
    for (int i = 0; i < p->count; i++)
        if (!add_multiple(&product, q, &p->terms[i]))
            return false;
    p->count = product.count;
    memcpy(p->terms, product.terms, (size_t)product.count * sizeof *product.terms);
    return true;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0); }

int64_t sw_polynomial_split(struct polynomial *p, struct polynomial *whole, int64_t k)
{
    int left = 0;
    int64_t common = k;
    whole->count = 0;
    for (int i = 0; i < p->count; i++) {
        struct term term = p->terms[i];
        int64_t quotient = floor_div(term.coefficient, k);
        term.coefficient -= quotient * k;
        if (quotient) {
            whole->terms[whole->count] = term;
            whole->terms[whole->count++].coefficient = quotient;
        }
        if (term.coefficient)
            p->terms[left++] = term;
        for (int64_t a = term.degree ? term.coefficient : 0; a;) { /* common = gcd(common, coefficient) */
            int64_t rest = common % a;
            common = a;
            a = rest;
        }
    }
    p->count = left;
    for (int i = 0; i < left; i++)
        p->terms[i].coefficient /= common;
    if (left && p->terms[left - 1].coefficient == 0)
        p->count--;
    return common;
}

/* x / y when y divides x. */
static bool term_divide(const struct term *x, const struct term *y, struct term *quotient)
{
    if (x->degree < y->degree || x->coefficient % y->coefficient != 0)
        return false;
    int taken = 0;
    quotient->coefficient = x->coefficient / y->coefficient;
    quotient->degree = 0;
    for (int i = 0; i < x->degree; i++) {
        if (taken < y->degree && x->atoms[i] == y->atoms[taken])
            taken++;
        else
            quotient->atoms[quotient->degree++] = x->atoms[i];
    }
    return taken == y->degree;
}

bool sw_polynomial_divide(const struct polynomial *p, const struct polynomial *q, struct polynomial *exact)
{
    struct polynomial rest;
    rest.count = p->count;
    memcpy(rest.terms, p->terms, (size_t)p->count * sizeof *p->terms);
    exact->count = 0;
    for (int step = 0; rest.count && step < POLYNOMIAL_TERMS; step++) {
        struct term term, minus;
        if (q->terms[0].coefficient == -1 || !term_divide(&rest.terms[0], &q->terms[0], &term) ||
            !add_term(exact, &term))
            return false;
        minus = term;
        minus.coefficient = -minus.coefficient;
        if (!add_multiple(&rest, q, &minus))
            return false;
    }
    return rest.count == 0;
}

static bool take_atom(struct term *term, sw_dim atom)
{
    for (int i = 0; i < term->degree; i++)
        if (term->atoms[i] == atom) {
            memmove(&term->atoms[i], &term->atoms[i + 1], (size_t)(--term->degree - i) * sizeof atom);
            return true;
        }
    return false;
}

static bool all_have(const struct polynomial *p, sw_dim atom)
{
    for (int i = 0; i < p->count; i++) {
        struct term copy = p->terms[i];
        if (!take_atom(&copy, atom))
            return false;
    }
    return true;
}

/* Taking the same atom out of every term leaves their order as it is. */
bool sw_polynomial_cancel(struct polynomial *p, struct polynomial *q)
{
    bool any = false;
    struct term first = q->terms[0];
    for (int i = 0; i < first.degree; i++) {
        if (!all_have(p, first.atoms[i]) || !all_have(q, first.atoms[i]))
            continue;
        for (int k = 0; k < p->count; k++)
            take_atom(&p->terms[k], first.atoms[i]);
        for (int k = 0; k < q->count; k++)
            take_atom(&q->terms[k], first.atoms[i]);
        any = true;
    }
    return any;
}
