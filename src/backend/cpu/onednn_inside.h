/* backend/cpu/onednn_inside.h: what the files of the oneDNN adapter share; the only place that meets <dnnl.h>.
 *
 * Versions 2 and 3 differ in how memory is described (a struct there, a handle here) and in how primitives are
 * described; sw_md and sw_dnnl_make_* hide both. Everything above works with *ports*: a port ties an argument of a
 * primitive to an input or output of the call, knows how the plan lays it out and how the primitive wants it, and
 * holds the reorder between the two where they differ. Uses: graph/engine.h. */
#ifndef SW_BACKEND_CPU_ONEDNN_INSIDE_H
#define SW_BACKEND_CPU_ONEDNN_INSIDE_H

#include <oneapi/dnnl/dnnl.h>

#include "graph/engine.h"

#define SW_DNNL_V3 (DNNL_VERSION_MAJOR >= 3)

/* ---- a memory descriptor ---- */
typedef struct sw_md {
    bool set;
    dnnl_memory_desc_t desc; /* a struct in v2, an owned handle in v3 */
} sw_md;
#if SW_DNNL_V3
typedef const_dnnl_memory_desc_t sw_md_ref;
static inline sw_md_ref sw_md_of(const sw_md *md) { return md->set ? md->desc : NULL; }
#else
typedef const dnnl_memory_desc_t *sw_md_ref;
static inline sw_md_ref sw_md_of(const sw_md *md) { return md->set ? &md->desc : NULL; }
#endif

dnnl_data_type_t sw_dnnl_dtype(sw_dtype dtype); /* dnnl_data_type_undef: oneDNN has none */
sw_status sw_md_strided(sw_md *md, int rank, const int64_t *dims, sw_dtype dtype, const int64_t *strides);
/* Whatever form the primitive likes best. */
sw_status sw_md_any(sw_md *md, int rank, const int64_t *dims, sw_dtype dtype);
/* As the view lies in memory: strides, or a block of channels. */
sw_status sw_md_view(sw_md *md, const sw_view *view);
sw_status sw_md_copy(sw_md *md, sw_md_ref from);
void sw_md_release(sw_md *md);
bool sw_md_equal(const sw_md *a, const sw_md *b);
size_t sw_md_bytes(const sw_md *md);

/* SW_OK, or a failure that names `what`; dnnl_unimplemented is SW_UNSUPPORTED, so that the next candidate is tried. */
sw_status sw_dnnl_check(dnnl_status_t status, const char *what);
/* The context's engine; NULL with a text on failure. */
dnnl_engine_t sw_dnnl_engine(sw_context *ctx);

/* ---- ports ---- */
enum { SW_DNNL_PORTS = 8 };
typedef struct sw_dnnl_port {
    int arg; /* DNNL_ARG_… */
    bool output;
    int index;          /* which input or output of the call */
    dnnl_query_t query; /* how the primitive's descriptor names it */
    int query_index;
    bool may_pack; /* a weight: when constant, ask the plan to keep it in the primitive's own form */
    bool packed;   /* the plan does keep it so */
    sw_md user;    /* as the plan has it */
    sw_md wanted;  /* as asked of the primitive: `user`, or any */
    sw_md own;     /* as the primitive works on it */
    dnnl_primitive_t reorder;
    size_t at; /* of the copy in its own form, in scratch */
} sw_dnnl_port;

typedef struct sw_dnnl_build {
    const sw_site *site;
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t post_ops;
    dnnl_primitive_desc_t hint, desc;
    int ports_count;
    sw_dnnl_port ports[SW_DNNL_PORTS];
    int copy_from; /* this input is copied into output 0 before the primitive runs (a sum post-op); -1: none */
} sw_dnnl_build;

/* Says how many threads oneDNN uses when called from this thread: before primitives are made, and before they run. */
void sw_dnnl_use_team(int threads);
/* Sets the team, makes the attributes (scratchpad by the user). Always pair with sw_dnnl_build_end. */
sw_status sw_dnnl_build_begin(sw_dnnl_build *build, const sw_site *site);
void sw_dnnl_build_end(sw_dnnl_build *build);
/* Adds a port whose dims in oneDNN's eyes are the view's (strides and all). `flexible`: the primitive may choose
 * another form when the view is in the plain one. */
sw_status sw_dnnl_port_view(sw_dnnl_build *build, int arg, bool output, int index, dnnl_query_t query, bool flexible);
/* Adds a port with dims and strides of its own (a grouped weight, a flattened batch, a bias). */
sw_status sw_dnnl_port_strided(sw_dnnl_build *build, int arg, bool output, int index, dnnl_query_t query, int rank,
                               const int64_t *dims, const int64_t *strides, bool flexible);
/* The port is a weight: takes a packed form given by the plan, and asks for one when the input is constant. */
sw_status sw_dnnl_port_weight(sw_dnnl_build *build, sw_dnnl_port *port, const int64_t *dims, int rank);
/* The port of `arg`, or NULL. */
sw_dnnl_port *sw_dnnl_find(sw_dnnl_build *build, int arg);
/* With build->desc made: queries forms, makes the primitive, its reorders and the state. */
sw_status sw_dnnl_finish(sw_dnnl_build *build, sw_prepared *prepared);
/* Where a given packed form did not suit: lets the primitive choose. False when there was nothing to relax. */
bool sw_dnnl_relax(sw_dnnl_build *build);

/* "relu", "gelu", … as a post-op. False when oneDNN has no such function. */
bool sw_dnnl_activation(const char *name, double alpha, double beta, dnnl_alg_kind_t *kind, float *a, float *b);
sw_status sw_dnnl_append_activation(sw_dnnl_build *build, const char *name, double alpha, double beta);
/* output += input `index`, which oneDNN reads as `md`. */
sw_status sw_dnnl_append_add(sw_dnnl_build *build, int index, int rank, const int64_t *dims, const int64_t *strides);
sw_status sw_dnnl_append_add_view(sw_dnnl_build *build, int index);
/* output += what output 0 holds; input `index` is copied there first. */
sw_status sw_dnnl_append_sum(sw_dnnl_build *build, int index);

/* ---- what every kernel of the adapter has in common ---- */
sw_status sw_dnnl_run(const sw_call *call);
void sw_dnnl_release(sw_context *ctx, void *state);
sw_status sw_dnnl_pack(const sw_site *site, const sw_prepared *prepared, int input, const sw_view *plain, void *packed);
/* Why oneDNN cannot take these views at all; NULL when it may. */
const char *sw_dnnl_skips(const sw_site *site);

#endif
