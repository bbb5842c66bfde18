/* buffers.c: which values share memory, and whose memory it is.
 *
 * Every value has a root: itself, or the value that it is a view of. Roots that may not share get a buffer each; a
 * row that can work in place puts its output into the buffer of the input that dies with it. Graph outputs are
 * written into the caller's memory by their makers where that is possible, next versions of states over the old
 * ones. Everything else lies in the arena. All this is decided once, for every value of the symbols: two types share
 * a buffer only when their dims are equal as expressions. */
#include <limits.h>

#include "compile/pass.h"
#include "compile/program.h"

struct buffers {
    sw_program *p;
    int *last_use; /* per value id of roots: the last step that reads it; INT_MAX: kept to the end */
};

static int add_buffer(sw_program *p, sw_home home, int index, const sw_value *value, int step)
{
    p->buffers[p->buffers_count] =
        (sw_buffer){.home = home, .index = index, .value = value, .first = step, .last = step};
    return p->buffers_count++;
}

static void note_use(struct buffers *b, const sw_value *value, int step)
{
    if (value == sw_none)
        return;
    int root = b->p->roots[value->id]->id;
    if (b->last_use[root] < step)
        b->last_use[root] = step;
}

static void find_last_uses(struct buffers *b)
{
    sw_program *p = b->p;
    for (int i = 0; i < p->steps_count; i++) {
        const sw_step *step = &p->steps[i];
        if (step->kind == SW_STEP_COPY)
            note_use(b, step->value, i);
        else
            for (int k = 0; k < step->node->inputs_count; k++)
                if (sw_node_reads(step->node, k))
                    note_use(b, step->node->inputs[k], i);
    }
    for (int i = 0; i < p->outputs_count; i++)
        note_use(b, p->outputs[i], INT_MAX);
}

static sw_status place_leaves(struct buffers *b)
{
    sw_program *p = b->p;
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next) {
        if (!(n->op->flags & SW_LEAF) || n->outputs_count < 1)
            continue;
        sw_value *v = n->outputs[0];
        sw_home home = v->tensor ? SW_HOME_CONSTANT : sw_node_is(n, "Read") ? SW_HOME_STATE : SW_HOME_INPUT;
        int index = -1;
        for (int i = 0; i < p->inputs_count && home == SW_HOME_INPUT; i++)
            if (p->inputs[i] == v)
                index = i;
        for (int i = 0; i < p->states_count && home == SW_HOME_STATE; i++)
            if (p->states[i] == n->state)
                index = i;
        if (index < 0 && home == SW_HOME_INPUT && !v->uses)
            continue; /* the phase, once it is folded */
        if (index < 0 && home != SW_HOME_CONSTANT)
            return sw_fail(SW_INTERNAL, "'%s' is a leaf of no known kind", sw_node_name(n));
        p->buffer_of[v->id] = add_buffer(p, home, index, v, -1);
    }
    return SW_OK;
}

static int state_buffer(sw_program *p, int state)
{
    for (int i = 0; i < p->buffers_count; i++)
        if (p->buffers[i].home == SW_HOME_STATE && p->buffers[i].index == state)
            return i;
    return add_buffer(p, SW_HOME_STATE, state, NULL, -1);
}

/* Input `at` of a row dies with it, lies in the arena, and nothing else that the row touches shares its buffer. */
static bool may_overwrite(const struct buffers *b, const sw_node *n, const sw_value *output, int at, int step)
{
    const sw_program *p = b->p;
    const sw_value *input = n->inputs[at];
    if (!sw_node_reads(n, at) || !sw_types_equal(p->graph, &input->type, &output->type) ||
        p->layouts[input->id] != p->layouts[output->id])
        return false;
    int buffer = p->buffer_of[p->roots[input->id]->id];
    if (p->buffers[buffer].home != SW_HOME_ARENA || b->last_use[p->roots[input->id]->id] != step)
        return false;
    for (int i = 0; i < n->inputs_count; i++)
        if (i != at && sw_node_reads(n, i) && n->inputs[i] != input &&
            p->buffer_of[p->roots[n->inputs[i]->id]->id] == buffer)
            return false;
    for (int i = 0; i < output->index; i++)
        if (n->outputs[i] != sw_none && p->buffer_of[n->outputs[i]->id] == buffer)
            return false;
    return true;
}

static int overwritten_input(const struct buffers *b, sw_node *n, const sw_value *output, int step)
{
    for (int i = 0; i < n->inputs_count; i++)
        if (sw_op_overwrites(n->op, output->index, i) && may_overwrite(b, n, output, i, step))
            return i;
    if ((n->op->flags & SW_COMMUTATIVE) && n->inputs_count == 2 && sw_op_overwrites(n->op, output->index, 0) &&
        may_overwrite(b, n, output, 1, step)) {
        sw_value *second = n->inputs[1];
        n->inputs[1] = n->inputs[0];
        n->inputs[0] = second;
        return 0;
    }
    return -1;
}

static int output_of(const sw_program *p, const sw_value *root)
{
    for (int i = 0; i < p->outputs_count; i++)
        if (p->roots[p->outputs[i]->id] == root)
            return i;
    return -1;
}

static bool output_is_copied(const sw_program *p, int output)
{
    for (int i = 0; i < p->steps_count; i++)
        if (p->steps[i].kind == SW_STEP_COPY && p->steps[i].copy == SW_COPY_OUTPUT && p->steps[i].index == output)
            return true;
    return false;
}

static void place_output(struct buffers *b, sw_node *n, sw_value *v, int step)
{
    sw_program *p = b->p;
    for (int i = 0; i < p->assignments_count; i++)
        if (p->assignments[i].in_place && p->assignments[i].value == v) {
            p->buffer_of[v->id] = state_buffer(p, p->assignments[i].state);
            return;
        }
    int output = output_of(p, v);
    if (output >= 0 && !output_is_copied(p, output)) {
        p->buffer_of[v->id] = add_buffer(p, SW_HOME_OUTPUT, output, v, step);
        return;
    }
    int input = p->steps[step].data_shaped ? -1 : overwritten_input(b, n, v, step);
    if (input >= 0)
        p->buffer_of[v->id] = p->buffer_of[p->roots[n->inputs[input]->id]->id];
    else
        p->buffer_of[v->id] = add_buffer(p, p->steps[step].data_shaped ? SW_HOME_GROWN : SW_HOME_ARENA, -1, v, step);
}

static void place_copy(sw_program *p, int at)
{
    sw_step *step = &p->steps[at];
    step->from = p->buffer_of[p->roots[step->value->id]->id];
    if (step->copy == SW_COPY_OUTPUT) {
        step->to = add_buffer(p, SW_HOME_OUTPUT, step->index, step->value, at);
    } else if (step->copy == SW_COPY_STAGE) {
        step->to = add_buffer(p, SW_HOME_ARENA, -1, step->value, at);
    } else {
        step->to = state_buffer(p, p->assignments[step->index].state);
        for (int i = 0; i < at && p->assignments[step->index].staged; i++)
            if (p->steps[i].kind == SW_STEP_COPY && p->steps[i].copy == SW_COPY_STAGE &&
                p->steps[i].index == step->index)
                step->from = p->steps[i].to;
    }
}

static void stretch(sw_program *p, int buffer, int step)
{
    if (p->buffers[buffer].last < step)
        p->buffers[buffer].last = step;
}

/* How long each buffer is needed: from its first maker to the last step that touches it. */
static void find_lifetimes(sw_program *p)
{
    for (int i = 0; i < p->steps_count; i++) {
        const sw_step *step = &p->steps[i];
        if (step->kind == SW_STEP_COPY) {
            stretch(p, step->from, i);
            stretch(p, step->to, i);
            continue;
        }
        for (int k = 0; k < step->node->inputs_count; k++)
            if (sw_node_reads(step->node, k))
                stretch(p, p->buffer_of[step->node->inputs[k]->id], i);
        for (int k = 0; k < step->node->outputs_count; k++)
            if (step->node->outputs[k] != sw_none)
                stretch(p, p->buffer_of[step->node->outputs[k]->id], i);
    }
}

sw_status sw_program_buffers(sw_program *program)
{
    sw_program *p = program;
    size_t values = (size_t)p->values_count + 1;
    struct buffers b = {p, sw_arena_array(p->arena, values, sizeof *b.last_use)};
    p->buffer_of = sw_arena_array(p->arena, values, sizeof *p->buffer_of);
    p->buffers =
        sw_arena_array(p->arena, values + (size_t)p->steps_count + (size_t)p->states_count + 1, sizeof *p->buffers);
    if (!b.last_use || !p->buffer_of || !p->buffers)
        return sw_alloc_status();
    for (int i = 0; i < p->values_count; i++)
        p->buffer_of[i] = b.last_use[i] = -1;
    find_last_uses(&b);
    SW_TRY(place_leaves(&b));
    for (int i = 0; i < p->steps_count; i++) {
        if (p->steps[i].kind == SW_STEP_COPY) {
            place_copy(p, i);
            continue;
        }
        sw_node *n = p->steps[i].node;
        for (int k = 0; k < n->outputs_count; k++)
            if (n->outputs[k] != sw_none)
                place_output(&b, n, n->outputs[k], i);
    }
    for (int i = 0; i < p->values_count; i++)
        if (p->roots[i] && p->buffer_of[i] < 0)
            p->buffer_of[i] = p->buffer_of[p->roots[i]->id];
    find_lifetimes(p);
    return SW_OK;
}
