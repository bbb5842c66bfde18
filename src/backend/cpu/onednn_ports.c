/* onednn_ports.c: describing a primitive: the team it is made for, its attributes, and its ports.
 *
 * A port begins with the form that the plan gives (`user`) and the form asked of the primitive (`wanted`): the same, or
 * any. A weight that the plan keeps packed asks for that form first, and relaxes to any where it does not suit. */
#include <string.h>

#include "backend/cpu/onednn_inside.h"

/* oneDNN's threads are OpenMP's: whichever runtime is loaded. */
extern void omp_set_num_threads(int threads) __attribute__((weak));

void sw_dnnl_use_team(int threads)
{
    if (omp_set_num_threads)
        omp_set_num_threads(threads);
}

sw_status sw_dnnl_build_begin(sw_dnnl_build *build, const sw_site *site)
{
    *build = (sw_dnnl_build){.site = site, .copy_from = -1};
    build->engine = sw_dnnl_engine(site->ctx);
    if (!build->engine)
        return SW_INTERNAL;
    sw_dnnl_use_team(site->threads);
    SW_TRY(sw_dnnl_check(dnnl_primitive_attr_create(&build->attr), "attributes"));
    SW_TRY(sw_dnnl_check(dnnl_post_ops_create(&build->post_ops), "post-ops"));
    return sw_dnnl_check(dnnl_primitive_attr_set_scratchpad_mode(build->attr, dnnl_scratchpad_mode_user), "attributes");
}

void sw_dnnl_build_end(sw_dnnl_build *build)
{
    for (int i = 0; i < build->ports_count; i++) {
        sw_dnnl_port *port = &build->ports[i];
        sw_md_release(&port->user);
        sw_md_release(&port->wanted);
        sw_md_release(&port->own);
        if (port->reorder)
            dnnl_primitive_destroy(port->reorder);
    }
    if (build->desc)
        dnnl_primitive_desc_destroy(build->desc);
    if (build->hint)
        dnnl_primitive_desc_destroy(build->hint);
    if (build->post_ops)
        dnnl_post_ops_destroy(build->post_ops);
    if (build->attr)
        dnnl_primitive_attr_destroy(build->attr);
}

static const sw_view *view_of(const sw_site *site, bool output, int index)
{
    return output ? &site->outputs[index] : &site->inputs[index];
}

static sw_status new_port(sw_dnnl_build *build, int arg, bool output, int index, dnnl_query_t query,
                          sw_dnnl_port **port)
{
    if (build->ports_count == SW_DNNL_PORTS)
        return sw_fail(SW_INTERNAL, "oneDNN adapter: more than %d ports", SW_DNNL_PORTS);
    *port = &build->ports[build->ports_count++];
    **port = (sw_dnnl_port){.arg = arg, .output = output, .index = index, .query = query};
    return SW_OK;
}

sw_status sw_dnnl_port_view(sw_dnnl_build *build, int arg, bool output, int index, dnnl_query_t query, bool flexible)
{
    const sw_view *view = view_of(build->site, output, index);
    sw_dnnl_port *port = NULL;
    SW_TRY(new_port(build, arg, output, index, query, &port));
    SW_TRY(sw_md_view(&port->user, view));
    if (flexible && view->layout == SW_LAYOUT_PLAIN)
        return sw_md_any(&port->wanted, view->rank, view->dims, view->dtype);
    return sw_md_copy(&port->wanted, sw_md_of(&port->user));
}

sw_status sw_dnnl_port_strided(sw_dnnl_build *build, int arg, bool output, int index, dnnl_query_t query, int rank,
                               const int64_t *dims, const int64_t *strides, bool flexible)
{
    sw_dtype dtype = view_of(build->site, output, index)->dtype;
    sw_dnnl_port *port = NULL;
    SW_TRY(new_port(build, arg, output, index, query, &port));
    SW_TRY(sw_md_strided(&port->user, rank, dims, dtype, strides));
    if (flexible)
        return sw_md_any(&port->wanted, rank, dims, dtype);
    return sw_md_copy(&port->wanted, sw_md_of(&port->user));
}

sw_status sw_dnnl_port_weight(sw_dnnl_build *build, sw_dnnl_port *port, const int64_t *dims, int rank)
{
    const sw_site *site = build->site;
    const sw_packed *given = site->packed ? site->packed[port->index] : NULL;
    if (given) {
        port->packed = true;
        SW_TRY(sw_md_copy(&port->user, sw_md_of(given->form)));
        return sw_md_copy(&port->wanted, sw_md_of(&port->user));
    }
    port->may_pack = site->inputs[port->index].data != NULL;
    return sw_md_any(&port->wanted, rank, dims, site->inputs[port->index].dtype);
}

sw_dnnl_port *sw_dnnl_find(sw_dnnl_build *build, int arg)
{
    for (int i = 0; i < build->ports_count; i++)
        if (build->ports[i].arg == arg)
            return &build->ports[i];
    return NULL;
}

bool sw_dnnl_relax(sw_dnnl_build *build)
{
    bool relaxed = false;
    for (int i = 0; i < build->ports_count; i++) {
        sw_dnnl_port *port = &build->ports[i];
        if (!port->packed)
            continue;
        dnnl_dims_t dims;
#if SW_DNNL_V3
        int rank = 0;
        dnnl_dims_t *at;
        dnnl_memory_desc_query(port->user.desc, dnnl_query_ndims_s32, &rank);
        dnnl_memory_desc_query(port->user.desc, dnnl_query_dims, &at);
        memcpy(dims, *at, sizeof dims);
#else
        int rank = port->user.desc.ndims;
        memcpy(dims, port->user.desc.dims, sizeof dims);
#endif
        relaxed |= sw_md_any(&port->wanted, rank, dims, build->site->inputs[port->index].dtype) == SW_OK;
    }
    return relaxed;
}
