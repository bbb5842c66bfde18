/* cast.c: Cast between the element types that data and training meet: loops that compilers turn into vectors.
 *
 * Only conversions that the language does exactly as the row says: to floats from integers and bools, between f32 and
 * f64, and from bool. Floats to integers saturate and stay with the reference body. */
#include "backend/cpu/kernels.h"

struct cast {
    const void *x;
    void *y;
    void (*loop)(const void *x, void *y, int64_t begin, int64_t end);
};

#define LOOP(name, from, to)                                                                                           \
    static void name(const void *x, void *y, int64_t begin, int64_t end)                                               \
    {                                                                                                                  \
        const from *f = x;                                                                                             \
        to *t = y;                                                                                                     \
        for (int64_t i = begin; i < end; i++)                                                                          \
            t[i] = (to)f[i];                                                                                           \
    }
LOOP(u8_f32, uint8_t, float)
LOOP(i8_f32, int8_t, float)
LOOP(i32_f32, int32_t, float)
LOOP(i64_f32, int64_t, float)
LOOP(f64_f32, double, float)
LOOP(f32_f64, float, double)
LOOP(i32_i64, int32_t, int64_t)
LOOP(i64_i32, int64_t, int32_t)
LOOP(u8_i64, uint8_t, int64_t)
LOOP(u8_i32, uint8_t, int32_t)
#undef LOOP

static const struct {
    sw_dtype from, to;
    void (*loop)(const void *x, void *y, int64_t begin, int64_t end);
} loops[] = {
    {SW_U8, SW_F32, u8_f32},   {SW_BOOL, SW_F32, u8_f32}, {SW_I8, SW_F32, i8_f32},   {SW_I32, SW_F32, i32_f32},
    {SW_I64, SW_F32, i64_f32}, {SW_F64, SW_F32, f64_f32}, {SW_F32, SW_F64, f32_f64}, {SW_I32, SW_I64, i32_i64},
    {SW_I64, SW_I32, i64_i32}, {SW_U8, SW_I64, u8_i64},   {SW_U8, SW_I32, u8_i32},   {SW_BOOL, SW_I64, u8_i64},
};

static void (*loop_of(const sw_view *x, const sw_view *y))(const void *, void *, int64_t, int64_t)
{
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        if (loops[i].from == x->dtype && loops[i].to == y->dtype)
            return loops[i].loop;
    return NULL;
}

static const char *skips(const sw_site *site)
{
    const sw_view *x = &site->inputs[0], *y = &site->outputs[0];
    if (!loop_of(x, y))
        return "not one of the usual pairs of types";
    return x->layout == y->layout && sw_view_is_dense(x) && sw_view_is_dense(y) ? NULL : "not contiguous";
}

static void piece(void *user, int64_t begin, int64_t end)
{
    const struct cast *c = user;
    c->loop(c->x, c->y, begin, end);
}

static sw_status run(const sw_call *call)
{
    const sw_view *x = &call->inputs[0], *y = &call->outputs[0];
    struct cast c = {.x = x->data, .y = y->data, .loop = loop_of(x, y)};
    sw_cpu_for(call->team, sw_view_count(x), 1 << 16, piece, &c);
    return SW_OK;
}

static const sw_kernel kernels[] = {{.name = "loop", .op = "Cast", .skips = skips, .run = run, .fixed_slices = true}};
const sw_cpu_family sw_cpu_cast = {kernels, 1};
