/* executor.c: one node of an awake graph, through a kernel.
 *
 * Preparing a kernel can cost more than running it a hundred times, so what was prepared is kept under its
 * signature: row, attributes, types and strides. The table is small and has ways like a processor's cache: a signature
 * can live in one of a few places, the least recently used one of them gives way. Values of a handful of elements take
 * the reference body: finding a kernel would cost more than computing.
 *
 * Kernels here see no constants (nothing is packed) and have one thread. Thread-safe: the lock is held for look-ups
 * only, and an entry that somebody runs is not taken away. */
#include "run/executor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/context.h"
#include "base/hash.h"
#include "graph/graph.h"

enum { SETS = 64, WAYS = 4, KEY = 2048, TINY = 32, FEW = 2 * SW_MAX_PORTS };

struct entry {
    uint64_t hash;
    size_t key_size;
    const sw_kernel *kernel;
    sw_prepared prepared;
    int running;
    uint64_t used;
    char key[]; /* key_size bytes */
};

struct scratch {
    size_t bytes;
    char *data; /* behind this header */
};

struct executor {
    sw_executor base;
    sw_context *ctx;
    const sw_backend *backend;
    pthread_mutex_t lock;
    uint64_t clock;
    struct entry *sets[SETS][WAYS];
    _Atomic(struct scratch *) scratch; /* the last one that was given back: the largest survives */
};

/* ---- signatures ---- */
struct key {
    size_t size;
    bool full; /* too long to be kept */
    char bytes[KEY];
};

static void key_add(struct key *key, const void *bytes, size_t count)
{
    if (key->full || count > sizeof key->bytes - key->size) {
        key->full = true;
        return;
    }
    memcpy(key->bytes + key->size, bytes, count);
    key->size += count;
}

static void key_view(struct key *key, const sw_view *view)
{
    struct {
        sw_dtype dtype;
        int rank;
    } head = {view->dtype, view->rank};
    key_add(key, &head, sizeof head);
    key_add(key, view->dims, (size_t)view->rank * sizeof *view->dims);
    key_add(key, view->strides, (size_t)view->rank * sizeof *view->strides);
}

static void key_attr(struct key *key, const sw_attr *a)
{
    key_add(key, &a->count, sizeof a->count);
    switch (a->kind) {
    case SW_ATTR_INT:
    case SW_ATTR_DTYPE:
        key_add(key, &a->i, sizeof a->i);
        break;
    case SW_ATTR_FLOAT:
        key_add(key, &a->f, sizeof a->f);
        break;
    case SW_ATTR_STRING:
        key_add(key, a->s ? a->s : "", a->s ? strlen(a->s) + 1 : 1);
        break;
    case SW_ATTR_INTS:
        key_add(key, a->ints, (size_t)a->count * sizeof *a->ints);
        break;
    case SW_ATTR_FLOATS:
        key_add(key, a->floats, (size_t)a->count * sizeof *a->floats);
        break;
    case SW_ATTR_NONE:
        break;
    default:
        key->full = true; /* graphs and tensors are not compared */
    }
}

static void key_make(struct key *key, const sw_site *site)
{
    const sw_op *op = site->node->op;
    key->size = 0;
    key->full = false;
    key_add(key, &op, sizeof op);
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++)
        key_attr(key, &site->node->attrs[i]);
    for (int i = 0; i < site->inputs_count; i++)
        key_view(key, &site->inputs[i]);
    for (int i = 0; i < site->outputs_count; i++)
        key_view(key, &site->outputs[i]);
}

/* ---- the table ---- */
static void entry_free(sw_context *ctx, struct entry *entry)
{
    if (!entry)
        return;
    if (entry->kernel && entry->kernel->release && entry->prepared.state)
        entry->kernel->release(ctx, entry->prepared.state);
    sw_free(ctx, entry);
}

static struct entry *find(struct executor *x, const struct key *key, uint64_t hash)
{
    struct entry *found = NULL;
    pthread_mutex_lock(&x->lock);
    for (int way = 0; way < WAYS && !found; way++) {
        struct entry *e = x->sets[hash % SETS][way];
        if (e && e->hash == hash && e->key_size == key->size && memcmp(e->key, key->bytes, key->size) == 0)
            found = e;
    }
    if (found) {
        found->running++;
        found->used = ++x->clock;
    }
    pthread_mutex_unlock(&x->lock);
    return found;
}

/* Keeps a new entry, which its maker runs now, in place of the least recently used one that nobody runs. */
static bool keep(struct executor *x, struct entry *entry)
{
    struct entry **place = NULL, *old = NULL;
    pthread_mutex_lock(&x->lock);
    for (int way = 0; way < WAYS; way++) {
        struct entry **e = &x->sets[entry->hash % SETS][way];
        if (*e && (*e)->running)
            continue;
        if (!place || !*e || (*place && (*e)->used < (*place)->used))
            place = e;
    }
    if (place) {
        old = *place;
        *place = entry;
        entry->used = ++x->clock;
    }
    pthread_mutex_unlock(&x->lock);
    entry_free(x->ctx, old);
    return place != NULL;
}

static void done(struct executor *x, struct entry *entry)
{
    pthread_mutex_lock(&x->lock);
    entry->running--;
    pthread_mutex_unlock(&x->lock);
}

/* ---- scratch: one block goes from call to call ---- */
static struct scratch *scratch_take(struct executor *x, size_t bytes)
{
    struct scratch *s = atomic_exchange(&x->scratch, NULL);
    if (s && s->bytes >= bytes)
        return s;
    sw_free(x->ctx, s);
    size_t head = SW_TENSOR_ALIGNMENT, total;
    if (!sw_add_size(head, bytes, &total) || !(s = sw_alloc_aligned(x->ctx, total, SW_TENSOR_ALIGNMENT)))
        return NULL;
    *s = (struct scratch){bytes, (char *)s + head};
    return s;
}

static void scratch_give_back(struct executor *x, struct scratch *s)
{
    sw_free(x->ctx, atomic_exchange(&x->scratch, s));
}

/* ---- one node ---- */
struct work {
    struct executor *x;
    const sw_node *node;
    sw_tensor *const *inputs;
    sw_tensor **outputs;
    sw_view views[FEW];
    sw_site site;
};

/* Reference bodies serve what kernels are not for. */
static bool is_for_kernels(const sw_node *node, sw_tensor *const *inputs)
{
    int64_t elements = 0;
    if (node->inputs_count + node->outputs_count > FEW ||
        (node->op->flags & (SW_DATA_SHAPED | SW_STATEFUL | SW_RANDOM)))
        return false;
    for (int i = 0; i < node->inputs_count; i++)
        elements += inputs[i] ? sw_tensor_count(inputs[i]) : 0;
    for (int i = 0; i < node->outputs_count; i++) {
        const sw_type *type = &node->outputs[i]->type;
        if (type->kind != SW_TENSOR || type->rank < 0)
            return false;
        int64_t count = 1;
        for (int k = 0; k < type->rank; k++)
            if (!sw_dim_known(type->dims[k]) || __builtin_mul_overflow(count, type->dims[k], &count))
                return false;
        elements += count;
    }
    return elements > TINY;
}

static sw_status make_outputs(struct work *w)
{
    sw_view *out = w->views + w->node->inputs_count;
    for (int i = 0; i < w->node->inputs_count; i++) {
        w->views[i] = sw_view_of(w->inputs[i]);
        w->views[i].data = NULL; /* while a kernel is chosen: nothing is constant */
    }
    for (int i = 0; i < w->node->outputs_count; i++) {
        const sw_type *type = &w->node->outputs[i]->type;
        sw_dims dims = {.rank = type->rank};
        memcpy(dims.dim, type->dims, sizeof(int64_t) * (size_t)type->rank);
        w->outputs[i] = sw_tensor_new(w->x->ctx, type->dtype, dims);
        if (!w->outputs[i])
            return sw_alloc_status();
        out[i] = sw_view_of(w->outputs[i]);
        out[i].data = NULL;
    }
    return SW_OK;
}

static struct entry *entry_make(struct work *w, const struct key *key, uint64_t hash, sw_status *status)
{
    struct entry *entry = sw_alloc(w->x->ctx, sizeof *entry + key->size);
    if (!entry) {
        *status = sw_alloc_status();
        return NULL;
    }
    *entry = (struct entry){.hash = hash, .key_size = key->size, .running = 1};
    memcpy(entry->key, key->bytes, key->size);
    *status = sw_kernel_choose(w->x->backend, &w->site, &entry->kernel, &entry->prepared);
    if (*status != SW_OK) {
        sw_free(w->x->ctx, entry);
        return NULL;
    }
    return entry;
}

static sw_status call(struct work *w, const struct entry *entry)
{
    for (int i = 0; i < w->node->inputs_count; i++)
        if (w->inputs[i])
            w->views[i].data = sw_tensor_data(w->inputs[i]);
    for (int i = 0; i < w->node->outputs_count; i++)
        w->views[w->node->inputs_count + i].data = sw_tensor_data(w->outputs[i]);
    struct scratch *scratch = NULL;
    if (entry->prepared.scratch_bytes && !(scratch = scratch_take(w->x, entry->prepared.scratch_bytes)))
        return sw_alloc_status();
    sw_call now = {.ctx = w->x->ctx,
                   .node = w->node,
                   .inputs_count = w->node->inputs_count,
                   .outputs_count = w->node->outputs_count,
                   .inputs = w->views,
                   .outputs = w->views + w->node->inputs_count,
                   .scratch = scratch ? scratch->data : NULL,
                   .prepared = entry->prepared.state};
    sw_status status = entry->kernel->run(&now);
    if (scratch)
        scratch_give_back(w->x, scratch);
    return status;
}

/* SW_UNSUPPORTED: no kernel; the caller takes the reference body. */
static sw_status by_kernel(struct work *w)
{
    static const sw_packed *const none[FEW];
    struct key key;
    SW_TRY(make_outputs(w));
    w->site = (sw_site){.ctx = w->x->ctx,
                        .node = w->node,
                        .inputs_count = w->node->inputs_count,
                        .outputs_count = w->node->outputs_count,
                        .inputs = w->views,
                        .outputs = w->views + w->node->inputs_count,
                        .packed = none,
                        .threads = 1};
    key_make(&key, &w->site);
    uint64_t hash = sw_fnv1a(key.bytes, key.size);
    struct entry *entry = key.full ? NULL : find(w->x, &key, hash);
    bool kept = entry != NULL;
    if (!entry) {
        sw_status status;
        entry = entry_make(w, &key, hash, &status);
        if (!entry)
            return status;
        kept = !key.full && keep(w->x, entry);
    }
    sw_status status = call(w, entry);
    if (kept)
        done(w->x, entry);
    else
        entry_free(w->x->ctx, entry);
    return status;
}

static sw_status execute(sw_executor *executor, const sw_node *node, sw_tensor *const *inputs, sw_tensor **outputs)
{
    struct executor *x = (struct executor *)executor;
    for (int i = 0; i < node->outputs_count; i++)
        outputs[i] = NULL;
    if (!x->backend || !is_for_kernels(node, inputs))
        return sw_reference_execute(x->ctx, node, inputs, outputs);
    struct work w; /* its views are many, and written before they are read */
    w.x = x;
    w.node = node;
    w.inputs = inputs;
    w.outputs = outputs;
    sw_status status = by_kernel(&w);
    if (status == SW_OK)
        return SW_OK;
    for (int i = 0; i < node->outputs_count; i++) {
        sw_tensor_release(outputs[i]);
        outputs[i] = NULL;
    }
    return status == SW_UNSUPPORTED ? sw_reference_execute(w.x->ctx, node, inputs, outputs) : status;
}

static void release(sw_context *ctx, sw_executor *executor)
{
    struct executor *x = (struct executor *)executor;
    for (int set = 0; set < SETS; set++)
        for (int way = 0; way < WAYS; way++)
            entry_free(ctx, x->sets[set][way]);
    sw_free(ctx, atomic_load(&x->scratch));
    pthread_mutex_destroy(&x->lock);
    sw_free(ctx, x);
}

sw_status sw_executor_install(sw_context *ctx)
{
    struct executor *x = sw_alloc_zero(ctx, sizeof *x);
    if (!x)
        return sw_alloc_status();
    x->base = (sw_executor){.execute = execute, .release = release};
    x->ctx = ctx;
    x->backend = sw_backend_find(ctx, sw_context_backend(ctx));
    if (x->backend && strcmp(x->backend->name, "ref") == 0)
        x->backend = NULL; /* reference bodies need no look-up */
    pthread_mutex_init(&x->lock, NULL);
    sw_status status = sw_executor_attach(ctx, &x->base);
    if (status != SW_OK)
        release(ctx, &x->base);
    return status;
}
