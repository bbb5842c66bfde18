/* augment.c: the two augmentations that do not change what a picture is of.
 *
 * The move of a picture depends on its row in the file and the epoch, never on where in a batch it landed or
 * which thread made the batch. */
#include "data/augment.h"

#include <string.h>

/* 0..bound-1 from 32 bits; the bias, at most bound / 2^32, is far below what a picture could show. */
static int below(uint32_t bits, int bound) { return (int)(((uint64_t)bits * (uint64_t)bound) >> 32); }

sw_move sw_augment_draw(const sw_augment *augment, sw_random_address at, uint64_t sample)
{
    uint32_t bits[4];
    sw_random_block(at, sample, bits);
    int range = 2 * augment->shift + 1;
    return (sw_move){.down = below(bits[0], range) - augment->shift,
                     .right = below(bits[1], range) - augment->shift,
                     .flip = augment->flip && (bits[2] >> 31) != 0};
}

void sw_augment_apply(const sw_augment *augment, sw_move move, const uint8_t *from, uint8_t *to)
{
    int h = augment->height, w = augment->width;
    size_t c = (size_t)augment->channels;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, to += c) {
            int from_y = y - move.down, from_x = (move.flip ? w - 1 - x : x) - move.right;
            if (from_y < 0 || from_y >= h || from_x < 0 || from_x >= w)
                memset(to, 0, c);
            else
                memcpy(to, from + ((size_t)from_y * (size_t)w + (size_t)from_x) * c, c);
        }
}
