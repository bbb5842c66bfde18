/* state.c: what survives a step.
 *
 * A state is a name, a tensor and a version that counts up whenever the contents change. Graphs read it and assign to
 * it; each graph remembers which value stands for the current version, so that equal reads are one value. The states of
 * a context hang on it in a list, for those that nobody releases. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/random.h"
#include "graph/inside.h"

struct sw_state {
    sw_context *ctx;
    struct states *list;
    sw_state *next, **back;
    atomic_int references;
    _Atomic uint64_t version;
    char *name;
    sw_tensor *tensor;
    bool trainable;
};

/* ---- the list of a context ---- */
struct states {
    pthread_mutex_t lock;
    sw_state *first;
};

static const char states_key;

static void state_free(sw_state *state)
{
    sw_tensor_release(state->tensor);
    sw_free(state->ctx, state->name);
    sw_free(state->ctx, state);
}

static void states_release(sw_context *ctx, void *value)
{
    struct states *states = value;
    while (states->first) {
        sw_state *state = states->first;
        states->first = state->next;
        state_free(state);
    }
    pthread_mutex_destroy(&states->lock);
    sw_free(ctx, states);
}

static struct states *states_of(sw_context *ctx)
{
    struct states *states = sw_context_attached(ctx, &states_key);
    if (states)
        return states;
    states = sw_alloc_zero(ctx, sizeof *states);
    if (!states)
        return NULL;
    pthread_mutex_init(&states->lock, NULL);
    if (sw_context_attach(ctx, &states_key, states, states_release) == SW_OK)
        return states;
    states_release(ctx, states);
    return sw_context_attached(ctx, &states_key); /* another thread was first */
}

static void list_add(struct states *states, sw_state *state)
{
    pthread_mutex_lock(&states->lock);
    state->list = states;
    state->next = states->first;
    state->back = &states->first;
    if (state->next)
        state->next->back = &state->next;
    states->first = state;
    pthread_mutex_unlock(&states->lock);
}

static void list_remove(sw_state *state)
{
    pthread_mutex_lock(&state->list->lock);
    *state->back = state->next;
    if (state->next)
        state->next->back = state->back;
    pthread_mutex_unlock(&state->list->lock);
}

/* ---- a state's life ---- */
static sw_state *state_make(sw_context *ctx, const char *name, sw_dtype dtype, sw_dims dims, sw_init init)
{
    sw_state *state = sw_alloc_zero(ctx, sizeof *state);
    if (!state)
        return NULL;
    state->ctx = ctx;
    atomic_init(&state->references, 1);
    atomic_init(&state->version, 1);
    state->name = sw_strdup(ctx, name);
    state->tensor = !state->name ? NULL
                    : init.fill  ? sw_tensor_new(ctx, dtype, dims)
                                 : sw_tensor_zeros(ctx, dtype, dims);
    if (!state->tensor || (init.fill && init.fill(state->tensor, sw_random_stream(name), init.a, init.b) != SW_OK)) {
        state_free(state);
        return NULL;
    }
    return state;
}

sw_state *sw_state_new(sw_context *ctx, const char *name, sw_dtype dtype, sw_dims dims, sw_init init, bool trainable)
{
    if (!ctx || !name || !*name || (trainable && !(SW_FLOATING & SW_DT(dtype)))) {
        sw_fail(SW_INVALID, "state '%s': %s", name ? name : "",
                ctx && name && *name ? "what is trained must be floating" : "needs a context and a name");
        return NULL;
    }
    struct states *states = states_of(ctx);
    sw_state *state = states ? state_make(ctx, name, dtype, dims, init) : NULL;
    if (!state)
        return NULL;
    state->trainable = trainable;
    list_add(states, state);
    return state;
}

sw_state *sw_param(sw_context *ctx, const char *name, sw_dtype dtype, sw_dims dims, sw_init init)
{
    return sw_state_new(ctx, name, dtype, dims, init, true);
}

sw_state *sw_state_retain(sw_state *state)
{
    if (state)
        atomic_fetch_add_explicit(&state->references, 1, memory_order_relaxed);
    return state;
}

void sw_state_release(sw_state *state)
{
    if (!state || atomic_fetch_sub_explicit(&state->references, 1, memory_order_acq_rel) != 1)
        return;
    list_remove(state);
    state_free(state);
}

const char *sw_state_name(const sw_state *state) { return state->name; }

bool sw_state_trainable(const sw_state *state) { return state->trainable; }

sw_tensor *sw_state_tensor(const sw_state *state) { return state->tensor; }

uint64_t sw_state_version(const sw_state *state)
{
    return atomic_load_explicit(&((sw_state *)state)->version, memory_order_acquire);
}

void sw_state_touch(sw_state *state) { atomic_fetch_add_explicit(&state->version, 1, memory_order_release); }

/* ---- new contents ---- */
static sw_status check_fits(const sw_state *state, const sw_tensor *tensor)
{
    sw_dims has = sw_tensor_dims(state->tensor), given = sw_tensor_dims(tensor);
    if (sw_tensor_dtype(tensor) == sw_tensor_dtype(state->tensor) && sw_dims_equal(has, given))
        return SW_OK;
    char needs[128], got[128];
    return sw_fail(SW_SHAPE, "state '%s': given %s%s, needs %s%s", state->name, sw_dtype_name(sw_tensor_dtype(tensor)),
                   sw_dims_text(given, got, sizeof got), sw_dtype_name(sw_tensor_dtype(state->tensor)),
                   sw_dims_text(has, needs, sizeof needs));
}

sw_status sw_state_replace(sw_state *state, sw_tensor *tensor)
{
    SW_TRY(check_fits(state, tensor));
    if (!sw_tensor_is_contiguous(tensor))
        return sw_fail(SW_INVALID, "state '%s': its contents must be contiguous", state->name);
    sw_tensor_release(state->tensor);
    state->tensor = tensor;
    sw_state_touch(state);
    return SW_OK;
}

/* The copy is fresh: awake graphs may still hold what was there. */
sw_status sw_state_set(sw_state *state, const sw_tensor *tensor)
{
    if (!tensor)
        return sw_fail(SW_INVALID, "state '%s': no tensor", state->name);
    SW_TRY(check_fits(state, tensor));
    sw_tensor *copy = sw_tensor_new(state->ctx, sw_tensor_dtype(tensor), sw_tensor_dims(tensor));
    if (!copy)
        return sw_alloc_status();
    sw_status status = sw_tensor_copy(copy, tensor);
    if (status == SW_OK)
        status = sw_state_replace(state, copy);
    if (status != SW_OK)
        sw_tensor_release(copy);
    return status;
}

sw_status sw_state_adopt(sw_state *state, sw_value *value)
{
    unsigned flags = value->node->op->flags;
    if (value->adopted || flags & (SW_LEAF | SW_VIEW_OF_FIRST) || !sw_tensor_is_contiguous(value->tensor))
        return sw_state_set(state, value->tensor);
    sw_status status = sw_state_replace(state, sw_tensor_retain(value->tensor));
    if (status != SW_OK)
        sw_tensor_release(value->tensor);
    value->adopted = status == SW_OK;
    return status;
}

/* ---- states in a graph ---- */
struct held *sw_held_find(const sw_graph *g, const sw_state *state)
{
    for (size_t i = 0; i < g->states.count; i++)
        if (g->states.items[i].state == state)
            return &g->states.items[i];
    return NULL;
}

/* The graph's entry for `state`, made at first use. */
static sw_status held_make(sw_graph *g, sw_state *state, struct held **held)
{
    if (!state)
        return sw_fail(SW_INVALID, "a state is NULL: the call that made it failed (%s)", sw_error_text());
    *held = sw_held_find(g, state);
    if (*held)
        return SW_OK;
    if (state->ctx != g->ctx)
        return sw_fail(SW_INVALID, "state '%s' belongs to another context", state->name);
    if (sw_graph_state_named(g, state->name))
        return sw_fail(SW_EXISTS, "the graph uses another state '%s' already", state->name);
    SW_TRY(sw_vec_push(g->ctx, &g->states, ((struct held){.state = state})));
    sw_state_retain(state);
    *held = &g->states.items[g->states.count - 1];
    return SW_OK;
}

sw_value *sw_read(sw_graph *g, sw_state *state)
{
    if (!sw_ok(g))
        return NULL;
    struct held *held;
    sw_status status = held_make(g, state, &held);
    if (status != SW_OK)
        return sw_graph_null(g, status);
    bool awake = sw_graph_awake(g);
    uint64_t version = sw_state_version(state);
    if (held->current && (!awake || held->version == version))
        return held->current;
    sw_type type = sw_type_of(state->tensor);
    sw_value *value = sw_leaf_add(g, &sw_op_read, &type, awake ? state->tensor : NULL);
    if (!value)
        return NULL;
    value->node->state = state;
    held->current = value;
    held->version = version;
    return value;
}

static sw_status assign(sw_graph *g, sw_state *state, sw_value *value)
{
    struct held *held;
    SW_TRY(held_make(g, state, &held));
    SW_TRY(sw_value_check(g, value, "the value"));
    sw_type type = sw_type_of(state->tensor);
    bool same = type.dtype == value->type.dtype && type.rank == value->type.rank && value->type.kind == SW_TENSOR;
    for (int i = 0; same && i < type.rank; i++)
        same = type.dims[i] == value->type.dims[i];
    if (!same) {
        char needs[192], got[192];
        return sw_fail(SW_SHAPE, "given %s, needs %s", sw_type_text(g, &value->type, got, sizeof got),
                       sw_type_text(g, &type, needs, sizeof needs));
    }
    sw_node *node = sw_node_make(g, &sw_op_assign, 1, 0);
    if (!node)
        return sw_alloc_status();
    node->inputs[0] = value;
    node->state = state;
    if (sw_graph_awake(g)) {
        if (!sw_value_tensor(value))
            return SW_INVALID;
        SW_TRY(sw_state_adopt(state, value));
    }
    sw_node_link(g, node);
    /* Awake, the next read is a fresh leaf: a step does not differentiate through the update of the step before. */
    held->current = sw_graph_awake(g) ? NULL : value;
    return SW_OK;
}

sw_status sw_assign(sw_graph *g, sw_state *state, sw_value *value)
{
    if (!sw_ok(g))
        return sw_graph_status(g);
    sw_status status = assign(g, state, value);
    if (status != SW_OK)
        sw_fail_in(status, "Assign '%s'", state ? state->name : "");
    return sw_graph_fail(g, status);
}

int sw_graph_state_count(const sw_graph *g) { return (int)g->states.count; }

sw_state *sw_graph_state(const sw_graph *g, int index)
{
    return index >= 0 && (size_t)index < g->states.count ? g->states.items[index].state : NULL;
}

sw_state *sw_graph_state_named(const sw_graph *g, const char *name)
{
    for (size_t i = 0; i < g->states.count; i++)
        if (strcmp(g->states.items[i].state->name, name) == 0)
            return g->states.items[i].state;
    return NULL;
}

/* ---- phase and randomness ---- */
sw_value *sw_training(sw_graph *g)
{
    if (!sw_ok(g) || g->training)
        return sw_ok(g) ? g->training : NULL;
    sw_type type = {.dtype = SW_BOOL};
    sw_tensor *tensor = NULL;
    if (sw_graph_awake(g)) {
        tensor = sw_tensor_from(g->ctx, SW_BOOL, SW_SCALAR, &g->training_now);
        if (!tensor)
            return sw_graph_null(g, sw_alloc_status());
    }
    g->training = sw_leaf_add(g, &sw_op_input, &type, tensor);
    sw_tensor_release(tensor);
    return g->training;
}

void sw_graph_set_training(sw_graph *g, bool training)
{
    if (!g || g->training_now == training)
        return;
    g->training_now = training;
    if (sw_graph_awake(g))
        g->training = NULL;
}

sw_value *sw_graph_training_value(const sw_graph *g) { return g->training; }

void sw_graph_set_random(sw_graph *g, sw_state *key)
{
    if (!sw_ok(g))
        return;
    sw_dims dims = key ? sw_tensor_dims(key->tensor) : SW_SCALAR;
    if (key && (sw_tensor_dtype(key->tensor) != SW_U64 || !sw_dims_equal(dims, SW_DIMS(2)))) {
        sw_graph_fail(g, sw_fail(SW_SHAPE, "state '%s' cannot be the random key: needs u64[2]", key->name));
        return;
    }
    sw_state_retain(key);
    sw_state_release(g->key);
    g->key = key;
    g->random_key = NULL;
}

sw_value *sw_random_key(sw_graph *g)
{
    if (!sw_ok(g))
        return NULL;
    if (g->key)
        return sw_read(g, g->key);
    if (g->random_key)
        return g->random_key;
    sw_tensor *zeros = sw_tensor_zeros(g->ctx, SW_U64, SW_DIMS(2));
    if (!zeros)
        return sw_graph_null(g, sw_alloc_status());
    g->random_key = sw_constant(g, zeros);
    sw_tensor_release(zeros);
    return g->random_key;
}
