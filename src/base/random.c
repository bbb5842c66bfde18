/* random.c: Philox-4x32-10 and the numbers made from its words.
 *
 * Philox is ten rounds of a bijection on 128 bits keyed by 64: two 32x32->64 multiplications, whose high
 * halves are mixed with the key and the other words (Salmon et al., SC 2011, section 3.3). */
#include "base/random.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

static void philox(const uint32_t counter[4], uint64_t seed, uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* the golden ratio, and sqrt(3) - 1 */
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void sw_random_block(sw_random_address at, uint64_t block, uint32_t out[4])
{
    philox((const uint32_t[4]){(uint32_t)block, (uint32_t)(block >> 32), at.stream, at.step}, at.seed, out);
}

uint32_t sw_random_u32(sw_random_address at, uint64_t element)
{
    uint32_t words[4];
    sw_random_block(at, element / 4, words);
    return words[element % 4];
}

float sw_random_float(sw_random_address at, uint64_t element)
{
    return (float)(sw_random_u32(at, element) >> 8) * 0x1p-24f;
}

/* Words 2i and 2i+1: they always lie in one block. */
static uint64_t pair(sw_random_address at, uint64_t element, uint64_t block_bits)
{
    uint32_t words[4];
    sw_random_block(at, element / 2 | block_bits, words);
    const uint32_t *two = words + element % 2 * 2;
    return (uint64_t)two[0] << 32 | two[1];
}

double sw_random_double(sw_random_address at, uint64_t element)
{
    return (double)(pair(at, element, 0) >> 11) * 0x1p-53;
}

double sw_random_gauss(sw_random_address at, uint64_t element)
{
    uint64_t bits = pair(at, element, 0);
    double u = ((double)(bits >> 32) + 0.5) * 0x1p-32; /* never 0: the logarithm is finite */
    double v = (double)(uint32_t)bits * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

/* Lemire, "Fast random integer generation in an interval", 2019: the high half of bits * bound, drawn again
 * when the low half falls into the part that would make some results likelier. Draw n > 0 uses blocks with
 * bit 63 set and n in bits 56 to 62, which no element below 2^57 reaches. */
uint64_t sw_random_below(sw_random_address at, uint64_t element, uint64_t bound)
{
    uint64_t threshold = (0 - bound) % bound;
    for (uint64_t draw = 0;; draw = (draw + 1) % 128) {
        uint64_t block_bits = draw ? (uint64_t)1 << 63 | draw << 56 : 0;
        unsigned __int128 product = (unsigned __int128)pair(at, element, block_bits) * bound;
        if ((uint64_t)product >= threshold || draw == 127)
            return (uint64_t)(product >> 64);
    }
}

void sw_random_permutation(sw_random_address at, uint64_t n, uint32_t *order)
{
    for (uint64_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = sw_random_below(at, i - 1, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

uint32_t sw_random_stream(const char *name)
{
    uint64_t hash = sw_fnv1a(name, strlen(name));
    return (uint32_t)(hash ^ hash >> 32);
}
