/* onednn_md.c: memory descriptors of either version, and the engine.
 *
 * A descriptor is a value here: copied freely and released once; in version 2 it holds no resources, in version 3
 * a handle. Blocked views become oneDNN's nCw8c, nChw16c and their kin; plain and channels-last ones are strides. */
#include <stdio.h>
#include <string.h>

#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_inside.h"
#include "base/context.h"

static const char engine_key;

struct engine {
    dnnl_engine_t engine;
};

static void release_engine(sw_context *ctx, void *value)
{
    struct engine *e = value;
    dnnl_engine_destroy(e->engine);
    sw_free(ctx, e);
}

sw_status sw_dnnl_check(dnnl_status_t status, const char *what)
{
    switch (status) {
    case dnnl_success:
        return SW_OK;
    case dnnl_out_of_memory:
        return sw_fail(SW_NO_MEMORY, "oneDNN: no memory for %s", what);
    case dnnl_unimplemented:
        return sw_fail(SW_UNSUPPORTED, "oneDNN has no %s for these types and forms", what);
    case dnnl_invalid_arguments:
        return sw_fail(SW_UNSUPPORTED, "oneDNN refuses the arguments of %s", what);
    default:
        return sw_fail(SW_INTERNAL, "oneDNN: %s failed with status %d", what, (int)status);
    }
}

sw_status sw_onednn_attach(sw_context *ctx)
{
    /* Plans own their primitives: a second, hidden cache would only hold memory that nobody counts. */
    dnnl_set_primitive_cache_capacity(0);
    struct engine *e = sw_alloc(ctx, sizeof *e);
    if (!e)
        return sw_alloc_status();
    sw_status status = sw_dnnl_check(dnnl_engine_create(&e->engine, dnnl_cpu, 0), "cpu engine");
    if (status != SW_OK) {
        sw_free(ctx, e);
        return status;
    }
    status = sw_context_attach(ctx, &engine_key, e, release_engine);
    if (status != SW_OK)
        release_engine(ctx, e);
    return status;
}

dnnl_engine_t sw_dnnl_engine(sw_context *ctx)
{
    struct engine *e = sw_context_attached(ctx, &engine_key);
    if (!e) {
        sw_fail(SW_INTERNAL, "oneDNN's engine is not attached to this context");
        return NULL;
    }
    return e->engine;
}

void sw_onednn_identity(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "onednn %d.%d.%d isa %#x", v->major, v->minor, v->patch,
             (unsigned)dnnl_get_effective_cpu_isa());
}

dnnl_data_type_t sw_dnnl_dtype(sw_dtype dtype)
{
    switch (dtype) {
    case SW_F32:
        return dnnl_f32;
    case SW_F16:
        return dnnl_f16;
    case SW_BF16:
        return dnnl_bf16;
    case SW_I32:
        return dnnl_s32;
    case SW_I8:
        return dnnl_s8;
    case SW_U8:
        return dnnl_u8;
    default:
        return dnnl_data_type_undef;
    }
}

static sw_status tagged(sw_md *md, int rank, const int64_t *dims, sw_dtype dtype, dnnl_format_tag_t tag)
{
    dnnl_dims_t d = {0};
    memcpy(d, dims, sizeof *d * (size_t)rank);
    sw_md_release(md);
#if SW_DNNL_V3
    dnnl_status_t status = dnnl_memory_desc_create_with_tag(&md->desc, rank, d, sw_dnnl_dtype(dtype), tag);
#else
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&md->desc, rank, d, sw_dnnl_dtype(dtype), tag);
#endif
    SW_TRY(sw_dnnl_check(status, "memory descriptor"));
    md->set = true;
    return SW_OK;
}

sw_status sw_md_strided(sw_md *md, int rank, const int64_t *dims, sw_dtype dtype, const int64_t *strides)
{
    dnnl_dims_t d = {0}, s = {0};
    memcpy(d, dims, sizeof *d * (size_t)rank);
    memcpy(s, strides, sizeof *s * (size_t)rank);
    sw_md_release(md);
#if SW_DNNL_V3
    dnnl_status_t status = dnnl_memory_desc_create_with_strides(&md->desc, rank, d, sw_dnnl_dtype(dtype), s);
#else
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(&md->desc, rank, d, sw_dnnl_dtype(dtype), s);
#endif
    SW_TRY(sw_dnnl_check(status, "memory descriptor"));
    md->set = true;
    return SW_OK;
}

sw_status sw_md_any(sw_md *md, int rank, const int64_t *dims, sw_dtype dtype)
{
    return tagged(md, rank, dims, dtype, dnnl_format_tag_any);
}

sw_status sw_md_view(sw_md *md, const sw_view *view)
{
    static const dnnl_format_tag_t by8[] = {dnnl_nCw8c, dnnl_nChw8c, dnnl_nCdhw8c};
    static const dnnl_format_tag_t by16[] = {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c};
    if (view->layout == SW_LAYOUT_BLOCKED8 || view->layout == SW_LAYOUT_BLOCKED16) {
        if (view->rank < 3 || view->rank > 5)
            return sw_fail(SW_UNSUPPORTED, "oneDNN has no blocked form of rank %d", view->rank);
        const dnnl_format_tag_t *tags = view->layout == SW_LAYOUT_BLOCKED8 ? by8 : by16;
        return tagged(md, view->rank, view->dims, view->dtype, tags[view->rank - 3]);
    }
    return sw_md_strided(md, view->rank, view->dims, view->dtype, view->strides);
}

sw_status sw_md_copy(sw_md *md, sw_md_ref from)
{
    sw_md_release(md);
    if (!from)
        return SW_OK;
#if SW_DNNL_V3
    SW_TRY(sw_dnnl_check(dnnl_memory_desc_clone(&md->desc, from), "memory descriptor"));
#else
    md->desc = *from;
#endif
    md->set = true;
    return SW_OK;
}

void sw_md_release(sw_md *md)
{
#if SW_DNNL_V3
    if (md->set)
        dnnl_memory_desc_destroy(md->desc);
#endif
    md->set = false;
}

bool sw_md_equal(const sw_md *a, const sw_md *b) { return dnnl_memory_desc_equal(sw_md_of(a), sw_md_of(b)); }

size_t sw_md_bytes(const sw_md *md) { return md->set ? dnnl_memory_desc_get_size(sw_md_of(md)) : 0; }
