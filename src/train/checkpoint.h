/* train/checkpoint.h: all state plus the data cursor, and nothing else, as bytes.
 *
 *   "SWCKPT\r\n"  u32 version  u32 states  u64 length of everything
 *   progress: i64 and f64 fields in the order of sw_progress
 *   per state: u32 length of name, u8 dtype, u8 rank, u16 0, i64 dims[rank], name, elements
 *   u32 CRC-32 of everything before it
 *
 * Numbers are little-endian. The CRC finds damage; the store's SHA-256 names the bytes. Uses: base/, graph/. */
#ifndef SW_TRAIN_CHECKPOINT_H
#define SW_TRAIN_CHECKPOINT_H

#include "base/text.h"
#include "slipway/data.h"
#include "slipway/graph.h"

/* What a run knows beside its states. */
typedef struct sw_progress {
    sw_cursor next;     /* the batch that comes next */
    int64_t step;       /* steps done */
    int64_t best_epoch; /* -1: none yet */
    int64_t stale;      /* epochs since the best */
    double best;        /* its validation metric */
    double loss_sum;    /* over the samples of this epoch so far */
    double correct;     /* likewise */
    int64_t seen;       /* samples of this epoch so far */
} sw_progress;

/* Every state of `g`. The bytes go into `out`, which is cleared first. */
sw_status sw_checkpoint_write(const sw_graph *g, const sw_progress *progress, sw_text *out);

/* Reads a checkpoint into the states of `g`: each must be there with its dtype and dims, and no others. Checks all
 * before it changes one. SW_CORRUPT for damage, SW_INVALID when it is of another model. `progress` may be NULL. */
sw_status sw_checkpoint_read(const char *name, const void *bytes, size_t size, const sw_graph *g,
                             sw_progress *progress);

#endif
