/* onednn_post.c: what rides on a convolution or a product: an activation, a residual. */
#include <string.h>

#include "backend/cpu/onednn.h"
#include "backend/cpu/onednn_inside.h"

bool sw_dnnl_activation(const char *name, double alpha, double beta, dnnl_alg_kind_t *kind, float *a, float *b)
{
    static const struct {
        const char *name;
        dnnl_alg_kind_t kind;
        int given; /* how many of alpha and beta it takes from the node */
        float a, b;
    } known[] = {
        {"relu", dnnl_eltwise_relu, 0, 0, 0},  {"leaky_relu", dnnl_eltwise_relu, 1, 0, 0},
        {"elu", dnnl_eltwise_elu, 1, 0, 0},    {"sigmoid", dnnl_eltwise_logistic, 0, 0, 0},
        {"tanh", dnnl_eltwise_tanh, 0, 0, 0},  {"gelu", dnnl_eltwise_gelu_erf, 0, 0, 0},
        {"silu", dnnl_eltwise_swish, 0, 1, 0}, {"gelu_tanh", dnnl_eltwise_gelu_tanh, 0, 0, 0},
        {"clip", dnnl_eltwise_clip, 2, 0, 0},  {"hard_swish", dnnl_eltwise_hardswish, 0, 1.0f / 6.0f, 0.5f},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) {
            *kind = known[i].kind;
            *a = known[i].given >= 1 ? (float)alpha : known[i].a;
            *b = known[i].given >= 2 ? (float)beta : known[i].b;
            return true;
        }
    return false;
}

bool sw_onednn_fuses(const char *activation)
{
    dnnl_alg_kind_t kind;
    float a, b;
    return sw_dnnl_activation(activation, 0, 0, &kind, &a, &b);
}

sw_status sw_dnnl_append_activation(sw_dnnl_build *build, const char *name, double alpha, double beta)
{
    dnnl_alg_kind_t kind;
    float a, b;
    if (!name || !*name || strcmp(name, "none") == 0)
        return SW_OK;
    if (!sw_dnnl_activation(name, alpha, beta, &kind, &a, &b))
        return sw_fail(SW_UNSUPPORTED, "oneDNN has no activation '%s'", name);
#if SW_DNNL_V3
    return sw_dnnl_check(dnnl_post_ops_append_eltwise(build->post_ops, kind, a, b), "activation");
#else
    return sw_dnnl_check(dnnl_post_ops_append_eltwise(build->post_ops, 1.0f, kind, a, b), "activation");
#endif
}

static sw_status append_binary(sw_dnnl_build *build, const sw_dnnl_port *port)
{
    return sw_dnnl_check(dnnl_post_ops_append_binary(build->post_ops, dnnl_binary_add, sw_md_of(&port->user)),
                         "addition");
}

static int binary_arg(const sw_dnnl_build *build)
{
    return DNNL_ARG_ATTR_MULTIPLE_POST_OP(dnnl_post_ops_len(build->post_ops)) | DNNL_ARG_SRC_1;
}

sw_status sw_dnnl_append_add(sw_dnnl_build *build, int index, int rank, const int64_t *dims, const int64_t *strides)
{
    SW_TRY(sw_dnnl_port_strided(build, binary_arg(build), false, index, dnnl_query_undef, rank, dims, strides, false));
    return append_binary(build, &build->ports[build->ports_count - 1]);
}

sw_status sw_dnnl_append_add_view(sw_dnnl_build *build, int index)
{
    SW_TRY(sw_dnnl_port_view(build, binary_arg(build), false, index, dnnl_query_undef, false));
    return append_binary(build, &build->ports[build->ports_count - 1]);
}

sw_status sw_dnnl_append_sum(sw_dnnl_build *build, int index)
{
    build->copy_from = index;
#if SW_DNNL_V3
    return sw_dnnl_check(dnnl_post_ops_append_sum(build->post_ops, 1.0f, 0, dnnl_data_type_undef), "residual");
#else
    return sw_dnnl_check(dnnl_post_ops_append_sum(build->post_ops, 1.0f), "residual");
#endif
}
