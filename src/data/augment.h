/* data/augment.h: pictures moved and mirrored by addressed randomness. Uses: base/. */
#ifndef SW_DATA_AUGMENT_H
#define SW_DATA_AUGMENT_H

#include <stdbool.h>

#include "base/random.h"

typedef struct sw_augment {
    int shift; /* up to so many pixels each way */
    bool flip;
    int height, width, channels;
} sw_augment;

/* What is done to one picture. */
typedef struct sw_move {
    int down, right;
    bool flip;
} sw_move;

/* The move of sample `sample` at an address whose step is the epoch: a pure function of both. */
sw_move sw_augment_draw(const sw_augment *augment, sw_random_address at, uint64_t sample);
/* `from` and `to` are [H, W, C] and do not overlap; pixels that flow in are zero. */
void sw_augment_apply(const sw_augment *augment, sw_move move, const uint8_t *from, uint8_t *to);

#endif
