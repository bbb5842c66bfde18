/* packing.c: weights in the form that their kernel likes, once for all instances.
 *
 * The first preparation that asks for a form gets it; every later one is shown it. When each step that reads a
 * weight reads the packed form, the plain one goes. All of this runs under the program's `preparing` lock. */
#include <string.h>

#include "compile/instance.h"

static void drop_form(sw_program *p, sw_packed *pack)
{
    if (pack->release_form && pack->form)
        pack->release_form(p->ctx, pack->form);
    pack->form = NULL;
}

static sw_status pack_one(sw_program *p, const sw_site *site, const sw_kernel *kernel, const sw_prepared *prepared,
                          int input)
{
    sw_packed pack = prepared->packs[input];
    sw_packed_weight *w = &p->packed[site->node->inputs[input]->id];
    pack.kernel = kernel->name;
    pack.data = sw_alloc_aligned(p->ctx, pack.bytes ? pack.bytes : 1, SW_TENSOR_ALIGNMENT);
    if (!pack.data)
        return sw_alloc_status();
    sw_status status = kernel->pack(site, prepared, input, &site->inputs[input], pack.data);
    if (status != SW_OK) {
        sw_free(p->ctx, pack.data);
        return status;
    }
    w->pack = pack;
    w->op = site->node->op;
    p->held_bytes += pack.bytes;
    return SW_OK;
}

sw_status sw_weights_pack(sw_program *program, const sw_site *site, const sw_kernel *kernel, sw_prepared *prepared)
{
    sw_status status = SW_OK;
    for (int i = 0; i < site->inputs_count && i < SW_MAX_PORTS; i++) {
        if (!prepared->packs[i].form)
            continue;
        sw_value *value = site->node->inputs[i];
        bool wanted = status == SW_OK && value != sw_none && value->tensor && !program->packed[value->id].pack.kernel;
        if (wanted)
            status = pack_one(program, site, kernel, prepared, i);
        if (!wanted || status != SW_OK)
            drop_form(program, &prepared->packs[i]);
        prepared->packs[i].form = NULL; /* the program owns it now */
    }
    return status;
}

/* Whether every step of this instance that reads the constant reads its packed form. */
static bool only_packed(const sw_program *p, const sw_instance *instance, const sw_value *constant)
{
    for (int i = 0; i < instance->steps_count; i++) {
        const sw_instance_step *at = &instance->steps[i];
        if (at->step->kind == SW_STEP_COPY) {
            if (p->roots[at->step->value->id] == constant)
                return false;
            continue;
        }
        for (int k = 0; k < at->inputs_count; k++) {
            const sw_value *input = at->step->node->inputs[k];
            if (input != sw_none && p->roots[input->id] == constant &&
                (input != constant || instance->views[at->inputs + k].layout != SW_LAYOUT_PACKED))
                return false;
        }
    }
    return true;
}

/* Instances for other dims may have another kernel, which reads the plain form. */
static bool nobody_reads_plain(sw_program *p, const sw_instance *made, const sw_value *constant)
{
    bool nobody = only_packed(p, made, constant);
    pthread_mutex_lock(&p->lock);
    for (const sw_instance *i = p->segments[made->segment].instances; i && nobody; i = i->next)
        nobody = only_packed(p, i, constant);
    pthread_mutex_unlock(&p->lock);
    return nobody;
}

void sw_weights_release_plain(sw_program *program, const sw_instance *instance)
{
    enum { SMALL = 65536 };          /* not worth it: other dims may like a kernel that reads it plain */
    if (program->segments_count > 1) /* another segment may read it */
        return;
    for (sw_node *n = sw_graph_first(program->graph); n; n = n->next) {
        sw_value *v = n->outputs_count ? n->outputs[0] : sw_none;
        if (v == sw_none || !v->tensor || !program->packed[v->id].pack.kernel || sw_tensor_bytes(v->tensor) <= SMALL ||
            !nobody_reads_plain(program, instance, v))
            continue;
        sw_tensor_release(v->tensor);
        v->tensor = NULL;
        program->packed[v->id].released = true;
    }
}

/* ---- choosing among those who can read the weights as they are kept ---- */
bool sw_weights_allow(const sw_program *program, const sw_node *node, const sw_kernel *kernel)
{
    for (int i = 0; i < node->inputs_count; i++) {
        const sw_packed_weight *w = node->inputs[i] == sw_none ? NULL : &program->packed[node->inputs[i]->id];
        if (w && w->released && (w->op != node->op || strcmp(w->pack.kernel, kernel->name) != 0))
            return false;
    }
    return true;
}
