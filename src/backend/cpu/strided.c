/* strided.c: the copy behind Transpose, Expand, Slice, Concat, Split and Reorder.
 *
 * Axes are sorted by their step in the target and merged where both sides allow. What is left is one of four: runs
 * that are contiguous on both sides (memcpy), one element repeated, planes whose rows run along the target and
 * columns along the source (turned over in squares), or anything else, element by element. */
#include "backend/cpu/strided.h"

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd.h"

void sw_strided_axis(sw_strided *c, int64_t dim, int64_t to, int64_t from)
{
    if (dim == 1)
        return;
    int at = c->rank++;
    for (; at > 0 && c->to[at - 1] < to; at--) {
        c->dims[at] = c->dims[at - 1];
        c->to[at] = c->to[at - 1];
        c->from[at] = c->from[at - 1];
    }
    c->dims[at] = dim;
    c->to[at] = to;
    c->from[at] = from;
}

static sw_strided merged(const sw_strided *c)
{
    sw_strided m = {.element = c->element};
    for (int i = 0; i < c->rank; i++) {
        int last = m.rank - 1;
        bool joins = last >= 0 && m.to[last] == c->to[i] * c->dims[i] && m.from[last] == c->from[i] * c->dims[i];
        int at = joins ? last : m.rank++;
        m.dims[at] = joins ? m.dims[at] * c->dims[i] : c->dims[i];
        m.to[at] = c->to[i];
        m.from[at] = c->from[i];
    }
    if (m.rank == 0) {
        m.rank = 1;
        m.dims[0] = m.to[0] = m.from[0] = 1;
    }
    return m;
}

struct work {
    sw_strided c;
    char *to;
    const char *from;
    int turned; /* the axis that is contiguous in the source, when planes are turned over; -1: rows */
};

#define ELEMENTS(type)                                                                                                 \
    do {                                                                                                               \
        type *t = (type *)to;                                                                                          \
        const type *f = (const type *)from;                                                                            \
        for (int64_t i = 0; i < n; i++)                                                                                \
            t[i * to_step] = f[i * from_step];                                                                         \
    } while (0)

struct pair {
    uint64_t low, high;
};

static void copy_row(const sw_strided *c, char *to, const char *from)
{
    int last = c->rank - 1;
    int64_t n = c->dims[last], to_step = c->to[last], from_step = c->from[last];
    if (to_step == 1 && from_step == 1) {
        memcpy(to, from, c->element * (size_t)n);
        return;
    }
    switch (c->element) {
    case 1:
        ELEMENTS(uint8_t);
        break;
    case 2:
        ELEMENTS(uint16_t);
        break;
    case 4:
        ELEMENTS(uint32_t);
        break;
    case 8:
        ELEMENTS(uint64_t);
        break;
    default:
        ELEMENTS(struct pair);
        break;
    }
}
#undef ELEMENTS

/* Outer positions begin..end: all axes but the last, and but the turned one. */
static void copy_piece(void *user, int64_t begin, int64_t end)
{
    const struct work *w = user;
    const sw_strided *c = &w->c;
    int last = c->rank - 1;
    for (int64_t p = begin; p < end; p++) {
        int64_t rest = p, to = 0, from = 0;
        for (int i = last - 1; i >= 0; i--) {
            if (i == w->turned)
                continue;
            int64_t index = rest % c->dims[i];
            rest /= c->dims[i];
            to += index * c->to[i];
            from += index * c->from[i];
        }
        char *t = w->to + to * (int64_t)c->element;
        const char *f = w->from + from * (int64_t)c->element;
        if (w->turned >= 0)
            sw_simd_here()->transpose4((const float *)f, c->from[last], (float *)t, c->to[w->turned], c->dims[last],
                                       c->dims[w->turned]);
        else
            copy_row(c, t, f);
    }
}

void sw_strided_run(const sw_strided *copy, sw_team *team, void *to, const void *from)
{
    struct work w = {.c = merged(copy), .to = to, .from = from, .turned = -1};
    const sw_strided *c = &w.c;
    int last = c->rank - 1;
    int64_t outer = 1, all = 1;
    if (c->element == 4 && c->to[last] == 1 && c->from[last] > 1)
        for (int i = 0; i < last; i++)
            if (c->from[i] == 1)
                w.turned = i;
    for (int i = 0; i <= last; i++) {
        all *= c->dims[i];
        if (i < last && i != w.turned)
            outer *= c->dims[i];
    }
    if (all > 0)
        sw_cpu_for(team, outer, (1 << 15) / (all / outer) + 1, copy_piece, &w);
}
