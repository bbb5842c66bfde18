/* place.c: where every buffer of a run lies.
 *
 * Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference"): the largest
 * first, each at the lowest offset where it overlaps no buffer that is alive at the same time. The result depends
 * on sizes and lifetimes only, never on addresses or time, so that the same dims always give the same peak. */
#include "compile/program.h"

/* Larger first; of equals the one that lives first, then the one listed first: a total order. */
static bool goes_before(const sw_placing *items, int a, int b)
{
    if (items[a].bytes != items[b].bytes)
        return items[a].bytes > items[b].bytes;
    if (items[a].first != items[b].first)
        return items[a].first < items[b].first;
    return a < b;
}

static void sift(const sw_placing *items, int *order, int root, int count)
{
    for (int child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && goes_before(items, order[child], order[child + 1]))
            child++;
        if (!goes_before(items, order[root], order[child]))
            return;
        int swap = order[root];
        order[root] = order[child];
        order[child] = swap;
    }
}

/* Heap sort: in place, and qsort has no room for the table. */
static void sort(const sw_placing *items, int *order, int count)
{
    for (int i = count / 2 - 1; i >= 0; i--)
        sift(items, order, i, count);
    for (int end = count - 1; end > 0; end--) {
        int swap = order[0];
        order[0] = order[end];
        order[end] = swap;
        sift(items, order, 0, end);
    }
}

static bool alive_together(const sw_placing *a, const sw_placing *b)
{
    return a->first <= b->last && b->first <= a->last;
}

sw_status sw_place(sw_placing *items, int count, int *order, size_t *total)
{
    *total = 0;
    for (int i = 0; i < count; i++)
        order[i] = i;
    sort(items, order, count);
    /* order[0..placed-1] becomes the placed ones sorted by offset, so that one walk finds the lowest gap. */
    for (int placed = 0; placed < count; placed++) {
        sw_placing *item = &items[order[placed]];
        size_t offset = 0, end;
        for (int i = 0; i < placed; i++) {
            const sw_placing *other = &items[order[i]];
            if (!alive_together(item, other))
                continue;
            if (sw_add_size(offset, item->bytes, &end) && end <= other->offset)
                break;
            size_t behind = other->offset + sw_align_up(other->bytes, SW_TENSOR_ALIGNMENT);
            if (behind > offset)
                offset = behind;
        }
        if (!sw_add_size(offset, item->bytes, &end) || end > SIZE_MAX / 2)
            return sw_fail(SW_BUDGET, "the buffers of this plan do not fit the address space");
        item->offset = offset;
        if (end > *total)
            *total = end;
        int self = order[placed], at = placed;
        for (; at > 0 && items[order[at - 1]].offset > offset; at--)
            order[at] = order[at - 1];
        order[at] = self;
    }
    *total = sw_align_up(*total, SW_TENSOR_ALIGNMENT);
    return SW_OK;
}
