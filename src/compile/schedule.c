/* schedule.c: in which order steps run, and which of them are the commit.
 *
 * The graph's order is kept, but for one thing: rows that make new versions of states, and elementwise rows that
 * read those, move behind everything else, so that they can overwrite the old versions (program.h says why that is
 * safe). A row may be moved when it is elementwise (it cannot fail once its memory is placed) and everything that
 * reads what it makes can be moved as well.
 *
 * Copies that read an old version stand before the commit, those that read a new one behind it. */
#include "compile/pass.h"
#include "compile/program.h"

struct schedule {
    sw_program *p;
    bool *commit;    /* per node id */
    int *place;      /* per node id: position in the graph's order */
    sw_value **root; /* per value id: the value whose storage it shares as a view */
    bool *needed;    /* per node id: somebody reads what it makes */
};

static bool is_step(const sw_node *node) { return !(node->op->flags & SW_LEAF) && !sw_node_is(node, "Assign"); }

/* A view's storage is its source's; reshapes cost nothing and are no steps. */
static bool is_view(const sw_program *p, const sw_node *node)
{
    if (!(node->op->flags & SW_VIEW_OF_FIRST) || node->outputs_count < 1 || node->inputs[0] == sw_none)
        return false;
    return p->layouts[node->outputs[0]->id] == SW_LAYOUT_PLAIN && p->layouts[node->inputs[0]->id] == SW_LAYOUT_PLAIN;
}

static void need(struct schedule *s, const sw_value *value)
{
    if (value != sw_none)
        s->needed[value->node->id] = true;
}

/* Backwards from outputs and assignments. A view does not read the shape that it was given, and a port that asks for
 * dims does not need the numbers: what computes only those is not run. */
static void find_needed(struct schedule *s)
{
    sw_node *node = sw_graph_first(s->p->graph);
    for (int i = 0; i < s->p->outputs_count; i++)
        need(s, s->p->outputs[i]);
    while (node && node->next)
        node = node->next;
    for (; node; node = node->previous) {
        if (!s->needed[node->id] && !sw_node_is(node, "Assign"))
            continue;
        int count = is_step(node) && is_view(s->p, node) ? 1 : node->inputs_count;
        for (int i = 0; i < count; i++)
            if (sw_node_reads(node, i))
                need(s, node->inputs[i]);
    }
}

static int state_index(const sw_program *p, const sw_state *state)
{
    for (int i = 0; i < p->states_count; i++)
        if (p->states[i] == state)
            return i;
    return -1;
}

static sw_status find_assignments(sw_program *p)
{
    int count = 0;
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next)
        count += sw_node_is(n, "Assign");
    p->assignments = sw_arena_array(p->arena, (size_t)count + 1, sizeof *p->assignments);
    if (!p->assignments)
        return sw_alloc_status();
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next) {
        if (!sw_node_is(n, "Assign"))
            continue;
        int state = state_index(p, n->state), at = 0;
        while (at < p->assignments_count && p->assignments[at].state != state)
            at++;
        p->assignments[at] = (sw_assignment){.state = state, .value = n->inputs[0]};
        if (at == p->assignments_count)
            p->assignments_count++;
    }
    return SW_OK;
}

/* Which nodes may be in the commit: the makers of new versions, and what reads them. */
static bool may_commit(const sw_node *node)
{
    return ((node->op->flags & SW_ELEMENTWISE) || sw_op_updates(node->op)) &&
           !(node->op->flags & (SW_DATA_SHAPED | SW_LEAF | SW_RANDOM));
}

static bool has_reader_outside(const struct schedule *s, const sw_node *node)
{
    for (const sw_node *n = node->next; n; n = n->next) {
        if (s->commit[n->id] || !is_step(n) || !s->needed[n->id])
            continue;
        for (int i = 0; i < n->inputs_count; i++)
            if (sw_node_reads(n, i) && n->inputs[i]->node == node)
                return true;
    }
    return false;
}

/* Grows the commit from the makers to all their readers, then takes back what cannot be moved: a node leaves when a
 * reader of its values is outside. Few nodes are ever in it. */
static void choose_commit(struct schedule *s)
{
    sw_program *p = s->p;
    for (int i = 0; i < p->assignments_count; i++) {
        sw_node *maker = p->assignments[i].value->node;
        if (is_step(maker) && may_commit(maker) && s->root[p->assignments[i].value->id] == p->assignments[i].value)
            s->commit[maker->id] = true;
    }
    for (sw_node *n = sw_graph_first(p->graph); n; n = n->next)
        for (int i = 0; i < n->inputs_count && is_step(n) && may_commit(n); i++)
            if (n->inputs[i] != sw_none && s->commit[n->inputs[i]->node->id])
                s->commit[n->id] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (sw_node *n = sw_graph_first(p->graph); n; n = n->next)
            if (s->commit[n->id] && has_reader_outside(s, n)) {
                s->commit[n->id] = false;
                changed = true;
            }
    }
}

/* True when the maker of `value`, a row of the commit, may write the next version of `state` over the old one: every
 * other reader of the old version, or of a view of it, stands before it. */
static bool overwrites_last(const struct schedule *s, int state, const sw_value *value)
{
    const sw_node *maker = value->node;
    for (const sw_node *n = sw_graph_first(s->p->graph); n; n = n->next) {
        if (!is_step(n) || !s->needed[n->id])
            continue;
        for (int i = 0; i < n->inputs_count; i++) {
            if (!sw_node_reads(n, i))
                continue;
            const sw_value *root = s->root[n->inputs[i]->id];
            if (!sw_node_is(root->node, "Read") || root->node->state != s->p->states[state])
                continue;
            if (n == maker ? !sw_op_overwrites(maker->op, value->index, i)
                           : s->commit[n->id] && s->place[n->id] > s->place[maker->id])
                return false;
        }
    }
    return true;
}

/* New versions that are written where the old one lies. A value can be the next version of one state only. */
static void choose_in_place(struct schedule *s)
{
    sw_program *p = s->p;
    for (int i = 0; i < p->assignments_count; i++) {
        sw_assignment *a = &p->assignments[i];
        bool taken = false;
        for (int j = 0; j < i; j++)
            taken |= p->assignments[j].in_place && p->assignments[j].value == a->value;
        a->in_place = !taken && s->commit[a->value->node->id] && s->root[a->value->id] == a->value &&
                      p->layouts[a->value->id] == SW_LAYOUT_PLAIN && overwrites_last(s, a->state, a->value);
    }
}

static bool is_assigned(const sw_program *p, const sw_state *state)
{
    for (int i = 0; i < p->assignments_count; i++)
        if (p->states[p->assignments[i].state] == state)
            return true;
    return false;
}

static bool reads_assigned(const struct schedule *s, const sw_value *value)
{
    const sw_value *root = s->root[value->id];
    return sw_node_is(root->node, "Read") && is_assigned(s->p, root->node->state);
}

/* An output is written by its maker, straight into the caller's memory, unless that memory cannot be the home of what
 * it is: a leaf, a state's next version, a value that is another output already, or one that decides its own size. */
static bool output_needs_copy(const struct schedule *s, int output)
{
    const sw_program *p = s->p;
    const sw_value *root = s->root[p->outputs[output]->id];
    if (!is_step(root->node) || (root->node->op->flags & SW_DATA_SHAPED))
        return true;
    for (int i = 0; i < p->assignments_count; i++)
        if (p->assignments[i].in_place && s->root[p->assignments[i].value->id] == root)
            return true;
    for (int i = 0; i < output; i++)
        if (s->root[p->outputs[i]->id] == root)
            return true;
    return false;
}

static void add_copy(sw_program *p, sw_copy_kind kind, int index, sw_value *value, bool commit)
{
    p->steps[p->steps_count++] =
        (sw_step){.kind = SW_STEP_COPY, .copy = kind, .index = index, .value = value, .commit = commit};
}

static void add_nodes(const struct schedule *s, bool commit)
{
    for (sw_node *n = sw_graph_first(s->p->graph); n; n = n->next)
        if (s->needed[n->id] && is_step(n) && !is_view(s->p, n) && s->commit[n->id] == commit)
            s->p->steps[s->p->steps_count++] = (sw_step){
                .kind = SW_STEP_NODE, .node = n, .commit = commit, .data_shaped = (n->op->flags & SW_DATA_SHAPED) != 0};
}

static void add_output_copies(const struct schedule *s, bool commit)
{
    for (int i = 0; i < s->p->outputs_count; i++)
        if (output_needs_copy(s, i) && s->commit[s->root[s->p->outputs[i]->id]->node->id] == commit)
            add_copy(s->p, SW_COPY_OUTPUT, i, s->p->outputs[i], commit);
}

static sw_status list_steps(struct schedule *s)
{
    sw_program *p = s->p;
    size_t most = (size_t)sw_graph_node_count(p->graph) + (size_t)p->outputs_count + 2 * (size_t)p->assignments_count;
    p->steps = sw_arena_array(p->arena, most + 1, sizeof *p->steps);
    if (!p->steps)
        return sw_alloc_status();
    add_nodes(s, false);
    add_output_copies(s, false);
    /* An old version that becomes the next one of another state must be read before anything is overwritten. */
    for (int i = 0; i < p->assignments_count; i++) {
        p->assignments[i].staged = reads_assigned(s, p->assignments[i].value);
        if (p->assignments[i].staged)
            add_copy(p, SW_COPY_STAGE, i, p->assignments[i].value, false);
    }
    p->commit_first = p->steps_count;
    add_nodes(s, true);
    for (int i = 0; i < p->assignments_count; i++)
        if (!p->assignments[i].in_place)
            add_copy(p, SW_COPY_STATE, i, p->assignments[i].value, true);
    add_output_copies(s, true);
    return SW_OK;
}

sw_status sw_program_schedule(sw_program *program)
{
    sw_graph *g = program->graph;
    size_t nodes = (size_t)sw_graph_node_ids(g) + 1, values = (size_t)sw_graph_value_ids(g) + 1;
    struct schedule s = {program, sw_arena_array(program->arena, nodes, sizeof *s.commit),
                         sw_arena_array(program->arena, nodes, sizeof *s.place),
                         sw_arena_array(program->arena, values, sizeof(sw_value *)),
                         sw_arena_array(program->arena, nodes, sizeof *s.needed)};
    if (!s.commit || !s.place || !s.root || !s.needed)
        return sw_alloc_status();
    program->roots = s.root;
    int place = 0;
    for (sw_node *n = sw_graph_first(g); n; n = n->next) {
        s.place[n->id] = place++;
        for (int i = 0; i < n->outputs_count; i++)
            if (n->outputs[i] != sw_none)
                s.root[n->outputs[i]->id] =
                    i == 0 && is_step(n) && is_view(program, n) ? s.root[n->inputs[0]->id] : n->outputs[i];
    }
    find_needed(&s);
    SW_TRY(find_assignments(program));
    choose_commit(&s);
    choose_in_place(&s);
    return list_steps(&s);
}
