/* graph/sequence.h: the run-time object of a value that is a sequence.
 *
 * A list of tensors that is shared by counting references and does not change after it was made: appending gives a new
 * sequence that retains the same tensors. sw_view.object of a sequence value points to one. An optional is a sequence
 * of none or one. Reference counts are thread-safe. Uses: slipway/tensor.h. */
#ifndef SW_GRAPH_SEQUENCE_H
#define SW_GRAPH_SEQUENCE_H

#include "slipway/tensor.h"

typedef struct sw_sequence sw_sequence;

/* Retains the tensors. NULL on failure. */
sw_sequence *sw_sequence_new(sw_context *ctx, sw_tensor *const *tensors, int count);
sw_sequence *sw_sequence_retain(sw_sequence *sequence);
void sw_sequence_release(sw_sequence *sequence); /* NULL is allowed */
int sw_sequence_count(const sw_sequence *sequence);
/* Borrowed; a negative index counts from the end; NULL with SW_INVALID's text when out of range. */
sw_tensor *sw_sequence_at(const sw_sequence *sequence, int index);
/* A fresh sequence with `tensor` at `index` (count: at the end). NULL on failure. */
sw_sequence *sw_sequence_insert(const sw_sequence *sequence, int index, sw_tensor *tensor);
/* A fresh sequence without the tensor at `index`. NULL on failure. */
sw_sequence *sw_sequence_erase(const sw_sequence *sequence, int index);

#endif
