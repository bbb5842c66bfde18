/* gemm.c: a blocked matrix product.
 *
 * Goto's scheme: b is packed in panels of TILE_COLUMNS so that a panel's slice of KC rows stays in the first cache, a
 * in panels of TILE_ROWS so that a block of them stays in the second; the tile between them lives in registers
 * (simd_gemm.h). A team cuts c into as many stripes as it has members, each a product of its own. One row times a
 * matrix reads the matrix once, without packing. */
#include "backend/cpu/gemm.h"

#include <string.h>

#include "base/alloc.h"

enum { KC = 256, MC = 144, NC = 512, TILE_MAX = 12 * 32 };
enum { WORTH = 1 << 18 }; /* multiplications that pay for another member of the team */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static size_t panel_floats(int64_t m, int64_t n, int64_t k)
{
    int64_t kc = smaller(k, KC);
    return sw_align_up((size_t)(kc * (smaller(m, MC) + 16)), 16) +
           sw_align_up((size_t)(kc * (smaller(n, NC) + 32)), 16);
}

size_t sw_gemm_scratch(int64_t m, int64_t n, int64_t k, int threads)
{
    return sizeof(float) * panel_floats(m, n, k) * (size_t)(threads > 0 ? threads : 1);
}

bool sw_gemm_activation(const char *name, sw_unary_kind *kind)
{
    static const struct {
        const char *name;
        sw_unary_kind kind;
    } known[] = {{"", SW_UNARY_NONE},
                 {"none", SW_UNARY_NONE},
                 {"relu", SW_UNARY_RELU},
                 {"leaky_relu", SW_UNARY_LEAKY_RELU},
                 {"elu", SW_UNARY_ELU},
                 {"sigmoid", SW_UNARY_SIGMOID},
                 {"tanh", SW_UNARY_TANH},
                 {"gelu", SW_UNARY_GELU},
                 {"gelu_tanh", SW_UNARY_GELU_TANH},
                 {"silu", SW_UNARY_SILU},
                 {"clip", SW_UNARY_CLIP},
                 {"hard_swish", SW_UNARY_HARD_SWISH},
                 {"hard_sigmoid", SW_UNARY_HARD_SIGMOID},
                 {"softplus", SW_UNARY_SOFTPLUS}};
    for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) {
            *kind = known[i].kind;
            return true;
        }
    return false;
}

/* ---- packing: groups of `width` lines (rows of a, columns of b), k-major inside a group, short groups filled with 0
 * ---- */

static void pack(const sw_simd *simd, const float *from, int64_t line, int64_t along, int64_t lines, int64_t k,
                 int width, float *to)
{
    for (int64_t first = 0; first < lines; first += width, to += (int64_t)width * k) {
        int64_t n = smaller(width, lines - first);
        const float *p = from + first * line;
        if (n < width)
            memset(to, 0, sizeof *to * (size_t)(width * k));
        if (line == 1) {
            for (int64_t i = 0; i < k; i++)
                memcpy(to + i * width, p + i * along, sizeof *to * (size_t)n);
        } else if (along == 1) {
            simd->transpose4(p, line, to, width, n, k);
        } else {
            for (int64_t i = 0; i < k; i++)
                for (int64_t l = 0; l < n; l++)
                    to[i * width + l] = p[l * line + i * along];
        }
    }
}

/* ---- the end of an element: scale, added terms, activation; rows of c that are still in cache ---- */

static void finish_rows(const sw_simd *simd, const sw_gemm_call *g, int64_t row, int64_t rows, int64_t column,
                        int64_t columns)
{
    for (int64_t i = row; i < row + rows; i++) {
        float *c = g->c + i * g->c_row + column;
        if (g->alpha != 1.0f)
            simd->binary[SW_BINARY_MUL][SW_VECTOR_SCALAR](c, &g->alpha, c, columns);
        for (int t = 0; t < 2; t++) {
            const sw_gemm_term *term = &g->terms[t];
            if (!term->data)
                continue;
            const float *add = term->data + i * term->row + column * term->column;
            if (term->column == 0) {
                float value = *add * term->scale;
                simd->binary[SW_BINARY_ADD][SW_VECTOR_SCALAR](c, &value, c, columns);
            } else if (term->scale == 1.0f)
                simd->binary[SW_BINARY_ADD][SW_VECTOR_VECTOR](c, add, c, columns);
            else
                simd->axpy(term->scale, add, c, columns);
        }
        if (g->activation != SW_UNARY_NONE)
            simd->unary[g->activation](c, c, columns, g->activation_alpha, g->activation_beta);
    }
}

/* ---- one block of c ---- */

/* Columns that fill whole panels; what is left has a panel of one vector where that holds it. */
static int64_t whole_panels(const sw_simd *simd, int64_t n)
{
    int64_t rest = n % simd->gemm_columns;
    return rest > 0 && rest <= simd->width ? n - rest : n;
}

static void edge_tile(const sw_simd *simd, const float *edge, int64_t width, float *to, int64_t c_row, int64_t rows,
                      int64_t columns, bool accumulate)
{
    for (int64_t r = 0; r < rows; r++)
        if (accumulate)
            simd->binary[SW_BINARY_ADD][SW_VECTOR_VECTOR](edge + r * width, to + r * c_row, to + r * c_row, columns);
        else
            memcpy(to + r * c_row, edge + r * width, sizeof *to * (size_t)columns);
}

static void block(const sw_simd *simd, const float *a, const float *b, int64_t m, int64_t n, int64_t k, float *c,
                  int64_t c_row, bool accumulate)
{
    int mr = simd->gemm_rows;
    int64_t whole = whole_panels(simd, n);
    for (int64_t j = 0; j < n; j += simd->gemm_columns) {
        bool narrow = j >= whole;
        int64_t nr = narrow ? simd->width : simd->gemm_columns, columns = smaller(nr, n - j);
        void (*tile)(int64_t, const float *, const float *, float *, int64_t, bool) =
            narrow ? simd->gemm_tile_narrow : simd->gemm_tile;
        for (int64_t i = 0; i < m; i += mr) {
            float *to = c + i * c_row + j, edge[TILE_MAX];
            if (i + mr <= m && columns == nr) {
                tile(k, a + i * k, b + j * k, to, c_row, accumulate);
                continue;
            }
            tile(k, a + i * k, b + j * k, edge, nr, false);
            edge_tile(simd, edge, nr, to, c_row, smaller(mr, m - i), columns, accumulate);
        }
    }
}

/* Packs k rows of n columns of b, in whole panels and perhaps a narrow one. */
static void pack_columns(const sw_simd *simd, const sw_gemm_call *g, const float *b, int64_t n, int64_t k, float *to)
{
    int64_t whole = whole_panels(simd, n);
    pack(simd, b, g->b_column, g->b_row, whole, k, simd->gemm_columns, to);
    if (whole < n)
        pack(simd, b + whole * g->b_column, g->b_column, g->b_row, n - whole, k, simd->width, to + whole * k);
}

static void multiply(const sw_simd *simd, const sw_gemm_call *g, float *scratch)
{
    float *a_panel = scratch,
          *b_panel = scratch + sw_align_up((size_t)(smaller(g->k, KC) * (smaller(g->m, MC) + 16)), 16);
    for (int64_t j = 0; j < g->n; j += NC) {
        int64_t n = smaller(NC, g->n - j);
        for (int64_t p = 0; p < g->k; p += KC) {
            int64_t k = smaller(KC, g->k - p);
            pack_columns(simd, g, g->b + p * g->b_row + j * g->b_column, n, k, b_panel);
            for (int64_t i = 0; i < g->m; i += MC) {
                int64_t m = smaller(MC, g->m - i);
                pack(simd, g->a + i * g->a_row + p * g->a_column, g->a_row, g->a_column, m, k, simd->gemm_rows,
                     a_panel);
                block(simd, a_panel, b_panel, m, n, k, g->c + i * g->c_row + j, g->c_row, p > 0);
                if (p + k == g->k)
                    finish_rows(simd, g, i, m, j, n);
            }
        }
    }
}

/* One row: c = a b, b read once in the order it lies. */
static void multiply_row(const sw_simd *simd, const sw_gemm_call *g)
{
    if (g->b_row == 1 && g->a_column == 1) {
        for (int64_t j = 0; j < g->n; j++)
            g->c[j] = simd->dot(g->a, g->b + j * g->b_column, g->k);
    } else {
        memset(g->c, 0, sizeof *g->c * (size_t)g->n);
        for (int64_t j = 0; j < g->n; j += NC) {
            int64_t n = smaller(NC, g->n - j), p = 0;
            for (; p + 4 <= g->k; p += 4)
                simd->axpy4(g->a + p * g->a_column, g->a_column, g->b + p * g->b_row + j, g->b_row, g->c + j, n);
            for (; p < g->k; p++)
                simd->axpy(g->a[p * g->a_column], g->b + p * g->b_row + j, g->c + j, n);
        }
    }
    finish_rows(simd, g, 0, 1, 0, g->n);
}

/* ---- stripes ---- */

struct stripes {
    const sw_gemm_call *g;
    int parts;
    bool by_rows;
    int64_t unit; /* stripes begin at multiples of it */
    float *scratch;
    size_t floats;
};

static void stripe(void *user, int part)
{
    const struct stripes *s = user;
    const sw_simd *simd = sw_simd_here();
    sw_gemm_call g = *s->g;
    int64_t size = s->by_rows ? g.m : g.n, units = (size + s->unit - 1) / s->unit;
    int64_t begin = units * part / s->parts * s->unit, end = smaller(units * (part + 1) / s->parts * s->unit, size);
    if (begin >= end)
        return;
    if (s->by_rows) {
        g.a += begin * g.a_row;
        g.c += begin * g.c_row;
        g.m = end - begin;
    } else {
        g.b += begin * g.b_column;
        g.c += begin;
        g.n = end - begin;
    }
    for (int t = 0; t < 2; t++)
        if (g.terms[t].data)
            g.terms[t].data += begin * (s->by_rows ? g.terms[t].row : g.terms[t].column);
    if (g.k == 0) {
        for (int64_t i = 0; i < g.m; i++)
            memset(g.c + i * g.c_row, 0, sizeof *g.c * (size_t)g.n);
        finish_rows(simd, &g, 0, g.m, 0, g.n);
    } else if (s->g->m == 1 && (g.b_column == 1 || (g.b_row == 1 && g.a_column == 1)))
        multiply_row(simd, &g);
    else
        multiply(simd, &g, s->scratch + s->floats * (size_t)part);
}

void sw_gemm_run(const sw_gemm_call *g, sw_team *team, int threads, void *scratch)
{
    const sw_simd *simd = sw_simd_here();
    struct stripes s = {.g = g, .scratch = scratch, .floats = panel_floats(g->m, g->n, g->k)};
    s.by_rows = g->m / simd->gemm_rows >= g->n / simd->gemm_columns;
    s.unit = s.by_rows ? simd->gemm_rows : simd->gemm_columns;
    double worth = (double)g->m * (double)g->n * (double)g->k / WORTH;
    s.parts = sw_team_size(team) < threads ? sw_team_size(team) : threads;
    if (worth < s.parts)
        s.parts = worth < 1 ? 1 : (int)worth;
    sw_team_run(team, s.parts, stripe, &s);
}
