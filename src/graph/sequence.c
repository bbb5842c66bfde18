/* sequence.c: lists of tensors that do not change, so that they can be shared. */
#include "graph/sequence.h"

#include <stdatomic.h>

#include "base/alloc.h"

struct sw_sequence {
    sw_context *ctx;
    atomic_int references;
    int count;
    sw_tensor *tensors[];
};

/* Room for `count` tensors, none of them set. */
static sw_sequence *make(sw_context *ctx, int count)
{
    size_t bytes;
    if (count < 0) {
        sw_fail(SW_INVALID, "a sequence of %d tensors", count);
        return NULL;
    }
    if (!sw_mul_size((size_t)count, sizeof(sw_tensor *), &bytes) || !sw_add_size(bytes, sizeof(sw_sequence), &bytes)) {
        sw_fail(SW_NO_MEMORY, "no memory for a sequence of %d tensors", count);
        return NULL;
    }
    sw_sequence *sequence = sw_alloc_zero(ctx, bytes);
    if (!sequence)
        return NULL;
    sequence->ctx = ctx;
    sequence->count = count;
    atomic_init(&sequence->references, 1);
    return sequence;
}

sw_sequence *sw_sequence_new(sw_context *ctx, sw_tensor *const *tensors, int count)
{
    sw_sequence *sequence = make(ctx, count);
    for (int i = 0; sequence && i < count; i++)
        sequence->tensors[i] = sw_tensor_retain(tensors[i]);
    return sequence;
}

sw_sequence *sw_sequence_retain(sw_sequence *sequence)
{
    if (sequence)
        atomic_fetch_add_explicit(&sequence->references, 1, memory_order_relaxed);
    return sequence;
}

void sw_sequence_release(sw_sequence *sequence)
{
    if (!sequence || atomic_fetch_sub_explicit(&sequence->references, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < sequence->count; i++)
        sw_tensor_release(sequence->tensors[i]);
    sw_free(sequence->ctx, sequence);
}

int sw_sequence_count(const sw_sequence *sequence) { return sequence->count; }

/* Where `index` is among `places`; -1, with a text, when it is none. */
static int place_of(const sw_sequence *sequence, int index, int places)
{
    int at = index < 0 ? index + sequence->count : index;
    if (at >= 0 && at < places)
        return at;
    sw_fail(SW_INVALID, "a sequence of %d tensors has no place %d", sequence->count, index);
    return -1;
}

sw_tensor *sw_sequence_at(const sw_sequence *sequence, int index)
{
    int at = place_of(sequence, index, sequence->count);
    return at < 0 ? NULL : sequence->tensors[at];
}

sw_sequence *sw_sequence_insert(const sw_sequence *sequence, int index, sw_tensor *tensor)
{
    int at = place_of(sequence, index, sequence->count + 1);
    sw_sequence *longer = at < 0 ? NULL : make(sequence->ctx, sequence->count + 1);
    for (int i = 0; longer && i < longer->count; i++)
        longer->tensors[i] = sw_tensor_retain(i == at ? tensor : sequence->tensors[i < at ? i : i - 1]);
    return longer;
}

sw_sequence *sw_sequence_erase(const sw_sequence *sequence, int index)
{
    int at = place_of(sequence, index, sequence->count);
    sw_sequence *shorter = at < 0 ? NULL : make(sequence->ctx, sequence->count - 1);
    for (int i = 0; shorter && i < shorter->count; i++)
        shorter->tensors[i] = sw_tensor_retain(sequence->tensors[i < at ? i : i + 1]);
    return shorter;
}
