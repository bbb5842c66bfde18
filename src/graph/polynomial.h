/* graph/polynomial.h: sums of integer multiples of products of atoms, and the expressions made of them; for the files
 * of graph/ that do arithmetic on dims.
 *
 * Terms stand in graded order (degree first, then the atoms, older ones first), each product once, no coefficient 0;
 * the atoms of a product are sorted the same way. All functions say false when a number, the count of terms or a degree
 * grows out of bounds. Uses: inside.h. */
#ifndef SW_GRAPH_POLYNOMIAL_H
#define SW_GRAPH_POLYNOMIAL_H

#include "graph/inside.h"

enum { POLYNOMIAL_TERMS = 64, POLYNOMIAL_DEGREE = SW_MAX_RANK, SW_DIM_HEAVIEST = 4096 };

struct term {
    int64_t coefficient;
    int degree;
    sw_dim atoms[POLYNOMIAL_DEGREE];
};

struct polynomial {
    int count;
    struct term terms[POLYNOMIAL_TERMS];
};

typedef enum sw_expression_kind {
    SW_EXPRESSION_SYMBOL,
    SW_EXPRESSION_SUM,
    SW_EXPRESSION_QUOTIENT, /* floor(a / b) */
    SW_EXPRESSION_MINIMUM,
    SW_EXPRESSION_MAXIMUM,
    SW_EXPRESSION_BROADCAST,
} sw_expression_kind;

struct sw_expression {
    sw_expression_kind kind;
    int symbol;
    sw_dim a, b;
    int count;
    struct term *terms; /* SUM */
    uint32_t weight;
    uint64_t hash;
};

/* NULL for sizes and SW_DIM_UNKNOWN. */
const struct sw_expression *sw_dim_expression(const sw_graph *g, sw_dim dim);
/* The number of an expression in normal form; its terms are copied. SW_DIM_UNKNOWN once the graph has failed. */
sw_dim sw_dim_intern(sw_graph *g, struct sw_expression expression);
/* Fails the graph; SW_DIM_UNKNOWN. */
sw_dim sw_dim_fail(sw_graph *g, sw_status status);

/* < 0 when x stands before y; coefficients are not looked at. */
int sw_term_compare(const struct term *x, const struct term *y);
/* p = p + q, p - q, p * q. */
bool sw_polynomial_add(struct polynomial *p, const struct polynomial *q);
bool sw_polynomial_sub(struct polynomial *p, const struct polynomial *q);
bool sw_polynomial_mul(struct polynomial *p, const struct polynomial *q);
/* p = k * whole + p', with the coefficients of p' in 0..k-1; then p' is divided (rounding down) by what k and all its
 * coefficients but the constant have in common, which is returned: floor(p / k) = whole + floor(p' / (k / common)). */
int64_t sw_polynomial_split(struct polynomial *p, struct polynomial *whole, int64_t k);
/* *exact = p / q when there is no remainder. */
bool sw_polynomial_divide(const struct polynomial *p, const struct polynomial *q, struct polynomial *exact);
/* Takes out of both the atoms that all terms of both have; false when there are none. */
bool sw_polynomial_cancel(struct polynomial *p, struct polynomial *q);

#endif
