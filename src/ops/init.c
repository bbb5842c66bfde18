/* init.c: what a fresh state holds.
 *
 * Draws are at the address (seed, stream of the state's name, element), so a network's weights do not depend on the
 * order in which its layers were made. Everything is drawn in double and rounded once. Fan-in and fan-out are those of
 * the layer that uses the tensor: [out, in, kernel…] for convolutions, [in, out] for matrices, and n for both of a
 * vector. */
#include <math.h>

#include "base/random.h"
#include "slipway/ops.h"
#include "tensor/dtype.h"

struct fans {
    double in, out;
};

static struct fans fans_of(const sw_tensor *tensor)
{
    int rank = sw_tensor_rank(tensor);
    if (rank == 0)
        return (struct fans){1, 1};
    double first = (double)sw_tensor_dim(tensor, 0), second = rank > 1 ? (double)sw_tensor_dim(tensor, 1) : first,
           taps = 1;
    for (int i = 2; i < rank; i++)
        taps *= (double)sw_tensor_dim(tensor, i);
    return rank > 2 ? (struct fans){second * taps, first * taps} : (struct fans){first, second};
}

static sw_random_address address(uint32_t stream, uint64_t seed)
{
    return (sw_random_address){.seed = seed, .stream = stream};
}

static void store(sw_tensor *tensor, int64_t index, double value)
{
    sw_store_f64(sw_tensor_dtype(tensor), sw_tensor_data(tensor), index, value);
}

static sw_status fill_uniform(sw_tensor *tensor, uint32_t stream, uint64_t seed, double bound)
{
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
        store(tensor, i, (2 * sw_random_double(address(stream, seed), (uint64_t)i) - 1) * bound);
    return SW_OK;
}

static sw_status fill_normal(sw_tensor *tensor, uint32_t stream, uint64_t seed, double deviation)
{
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
        store(tensor, i, sw_random_gauss(address(stream, seed), (uint64_t)i) * deviation);
    return SW_OK;
}

static sw_status fill_constant(sw_tensor *tensor, uint32_t stream, uint64_t seed, double value)
{
    (void)stream, (void)seed;
    for (int64_t i = 0; i < sw_tensor_count(tensor); i++)
        store(tensor, i, value);
    return SW_OK;
}

/* Uniform within sqrt(6 / (in + out)). */
static sw_status fill_glorot(sw_tensor *tensor, uint32_t stream, uint64_t seed, double gain)
{
    struct fans fans = fans_of(tensor);
    double sum = fans.in + fans.out;
    return fill_uniform(tensor, stream, seed, sum > 0 ? gain * sqrt(6 / sum) : 0);
}

/* Normal of variance 2 / in: the half of the units that a Relu silences is made up for. */
static sw_status fill_he(sw_tensor *tensor, uint32_t stream, uint64_t seed, double gain)
{
    double in = fans_of(tensor).in;
    return fill_normal(tensor, stream, seed, in > 0 ? gain / sqrt(in) : 0);
}

sw_init sw_init_zero(void) { return sw_init_constant(0); }
sw_init sw_init_constant(double value) { return (sw_init){.fill = fill_constant, .b = value}; }
sw_init sw_init_glorot(uint64_t seed) { return (sw_init){.fill = fill_glorot, .a = seed, .b = 1}; }
sw_init sw_init_he(uint64_t seed) { return (sw_init){.fill = fill_he, .a = seed, .b = M_SQRT2}; }
sw_init sw_init_normal(uint64_t seed, double deviation)
{
    return (sw_init){.fill = fill_normal, .a = seed, .b = deviation};
}
sw_init sw_init_uniform(uint64_t seed, double bound) { return (sw_init){.fill = fill_uniform, .a = seed, .b = bound}; }
