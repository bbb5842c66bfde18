/* base/random.h: randomness with an address.
 *
 * Bits are a pure function of (seed, stream, step, element): Philox-4x32-10 (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011; the published known-answer vectors are the test). There is no
 * generator state to save, and any part of a tensor can be drawn by any thread. Uses: hash.h. */
#ifndef SW_BASE_RANDOM_H
#define SW_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct sw_random_address {
    uint64_t seed;   /* key: one per run */
    uint32_t stream; /* which consumer: fixed when a node is built */
    uint32_t step;   /* which training step or epoch */
} sw_random_address;

/* Four 32-bit words for block `block` of the address: key = seed, counter = (block lo, block hi, stream, step). */
void sw_random_block(sw_random_address at, uint64_t block, uint32_t out[4]);
/* Element i is word i%4 of block i/4. */
uint32_t sw_random_u32(sw_random_address at, uint64_t element);
/* Uniform in [0, 1): 24 bits for float, 53 bits (two words: elements 2i, 2i+1) for double. */
float sw_random_float(sw_random_address at, uint64_t element);
double sw_random_double(sw_random_address at, uint64_t element);
/* Standard normal by Box-Muller from words 2i and 2i+1 of the address. */
double sw_random_gauss(sw_random_address at, uint64_t element);
/* Uniform in 0..bound-1 without bias (Lemire); bound >= 1. Uses its own sub-counter on rejection. */
uint64_t sw_random_below(sw_random_address at, uint64_t element, uint64_t bound);
/* Fisher-Yates of 0..n-1 by address: the same permutation on every machine. */
void sw_random_permutation(sw_random_address at, uint64_t n, uint32_t *order);
/* A stream number from a name: stable across versions (FNV-1a). */
uint32_t sw_random_stream(const char *name);

#endif
