/* Gathering rows into a batch, running it, and the tensors kept for that.
 *
 * A workspace is a handful of slots, each for one set of input dims: input tensors that rows are copied into, and the
 * output tensors that the first run with those dims made, which later runs write again. The slot least recently used
 * makes room for dims never seen. */
#include "serve/loaded.h"

#include <string.h>

#include "base/clock.h"

enum { SLOTS = SW_SIZES_MAX + 6, WARM_TURNS = 4 };

typedef struct slot {
    uint64_t used_at;    /* 0: empty */
    sw_tensor **tensors; /* inputs, then outputs (NULL until a run made them) */
} slot;

struct sw_workspace {
    uint64_t turns;
    slot slots[SLOTS];
};

static const int all_sizes[SW_SIZES_MAX] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

static void slot_clear(const sw_loaded *v, slot *s)
{
    const sw_servable *m = v->servable;
    for (int i = 0; s->tensors && i < m->input_count + m->output_count; i++)
        sw_tensor_release(s->tensors[i]);
    sw_free(v->ctx, s->tensors);
    *s = (slot){0};
}

static void version_free(sw_loaded *v)
{
    for (int lane = 0; lane < v->lanes; lane++) {
        for (int i = 0; v->workspaces[lane] && i < SLOTS; i++)
            slot_clear(v, &v->workspaces[lane]->slots[i]);
        sw_free(v->ctx, v->workspaces[lane]);
    }
    v->servable->free(v->servable);
    sw_free(v->ctx, v);
}

static sw_status check_ports(const sw_servable *m)
{
    for (int i = 0; i < m->input_count + m->output_count; i++) {
        const sw_port *port = i < m->input_count ? &m->inputs[i] : &m->outputs[i - m->input_count];
        if (!sw_datatype_name(port->dtype))
            return sw_fail(SW_UNSUPPORTED, "'%s' is %s, which the inference protocol cannot carry", port->name,
                           sw_dtype_name(port->dtype));
    }
    return SW_OK;
}

sw_status sw_loaded_new(sw_context *ctx, sw_servable *servable, int lanes, sw_loaded **version)
{
    sw_status status = check_ports(servable);
    sw_loaded *v = status == SW_OK ? sw_alloc_zero(ctx, sizeof *v + (size_t)lanes * sizeof v->workspaces[0]) : NULL;
    if (!v) {
        servable->free(servable);
        return status == SW_OK ? sw_alloc_status() : status;
    }
    v->ctx = ctx;
    v->servable = servable;
    v->lanes = lanes;
    atomic_store(&v->references, 1);
    for (int i = 0; i < SW_SIZES_MAX && (i == 0 || (servable->batched && all_sizes[i] <= servable->max_batch)); i++) {
        v->better[i] = (uint8_t)i;
        v->sizes[v->size_count++] = all_sizes[i];
    }
    for (int lane = 0; lane < lanes; lane++) {
        v->workspaces[lane] = sw_alloc_zero(ctx, sizeof *v->workspaces[lane]);
        if (!v->workspaces[lane]) {
            version_free(v);
            return sw_alloc_status();
        }
    }
    *version = v;
    return SW_OK;
}

sw_loaded *sw_loaded_retain(sw_loaded *v)
{
    atomic_fetch_add_explicit(&v->references, 1, memory_order_relaxed);
    return v;
}

void sw_loaded_release(sw_loaded *v, int references)
{
    if (atomic_fetch_sub_explicit(&v->references, references, memory_order_acq_rel) == references)
        version_free(v);
}

/* ---- sizes ---- */

/* The place among the prepared sizes of the one to run `rows` in; -1: run exactly as many. */
static int size_for(const sw_loaded *v, int64_t rows)
{
    for (int i = 0; i < v->size_count; i++)
        if (v->sizes[i] >= rows)
            return v->better[i];
    return -1;
}

static void choose_sizes(sw_loaded *v)
{
    for (int i = v->size_count - 1; i >= 0; i--) {
        v->better[i] = (uint8_t)i;
        if (i + 1 == v->size_count)
            continue;
        int next = v->better[i + 1];
        if (atomic_load(&v->run_ns[next]) * 10 < atomic_load(&v->run_ns[i]) * 9)
            v->better[i] = (uint8_t)next;
    }
}

uint64_t sw_loaded_forecast(const sw_loaded *v, int64_t rows)
{
    int i = size_for(v, rows > 0 ? rows : 1);
    uint64_t ns = i < 0 ? 0 : atomic_load_explicit(&v->run_ns[i], memory_order_relaxed);
    return ns ? ns : UINT64_MAX;
}

static void learn(sw_loaded *v, int size, uint64_t ns)
{
    uint64_t old = atomic_load_explicit(&v->run_ns[size], memory_order_relaxed);
    atomic_store_explicit(&v->run_ns[size], old ? (old * 7 + ns) / 8 : ns, memory_order_relaxed);
}

/* ---- slots ---- */

/* The dims of input `i` for a run of `rows` rows that is like request `r`. */
static sw_dims run_dims(const sw_loaded *v, const sw_request *r, int i, int64_t rows)
{
    sw_dims dims = r->inputs.items[i].dims;
    if (v->servable->batched && rows > 0)
        dims.dim[0] = rows;
    return dims;
}

static bool slot_fits(const sw_loaded *v, const slot *s, const sw_request *r, int64_t rows)
{
    if (s->used_at == 0)
        return false;
    for (int i = 0; i < v->servable->input_count; i++)
        if (!sw_dims_equal(sw_tensor_dims(s->tensors[i]), run_dims(v, r, i, rows)))
            return false;
    return true;
}

static slot *find_slot(sw_loaded *v, int lane, const sw_request *r, int64_t rows)
{
    const sw_servable *m = v->servable;
    sw_workspace *w = v->workspaces[lane];
    slot *oldest = &w->slots[0];
    w->turns++;
    for (int i = 0; i < SLOTS; i++) {
        slot *s = &w->slots[i];
        if (slot_fits(v, s, r, rows)) {
            s->used_at = w->turns;
            return s;
        }
        if (s->used_at < oldest->used_at)
            oldest = s;
    }
    slot_clear(v, oldest);
    oldest->tensors = sw_alloc_zero(v->ctx, sizeof(sw_tensor *) * (size_t)(m->input_count + m->output_count));
    bool complete = oldest->tensors != NULL;
    for (int i = 0; complete && i < m->input_count; i++) {
        oldest->tensors[i] = sw_tensor_zeros(v->ctx, m->inputs[i].dtype, run_dims(v, r, i, rows));
        complete = oldest->tensors[i] != NULL;
    }
    if (!complete) {
        slot_clear(v, oldest);
        return NULL;
    }
    oldest->used_at = w->turns;
    return oldest;
}

/* ---- running ---- */

static sw_status copy_strings(sw_tensor *to, int64_t first, const sw_request *r, const sw_request_input *input)
{
    const uint64_t *offsets = (const uint64_t *)(const void *)(r->data.items + input->at);
    for (size_t i = 0; i < input->bytes / sizeof *offsets; i++)
        SW_TRY(sw_tensor_set_string(to, first + (int64_t)i, r->strings.items + offsets[i]));
    return SW_OK;
}

static sw_status gather(const sw_loaded *v, slot *s, sw_request *const *requests, int count)
{
    for (int i = 0; i < v->servable->input_count; i++) {
        sw_tensor *to = s->tensors[i];
        bool strings = sw_tensor_dtype(to) == SW_STRING;
        size_t at = 0; /* bytes; of strings: elements */
        for (int k = 0; k < count; k++) {
            const sw_request_input *input = &requests[k]->inputs.items[i];
            if (strings) {
                SW_TRY(copy_strings(to, (int64_t)at, requests[k], input));
                at += input->bytes / sizeof(uint64_t);
            } else if (input->bytes > 0) {
                memcpy((char *)sw_tensor_data(to) + at, requests[k]->data.items + input->at, input->bytes);
                at += input->bytes;
            }
        }
        /* What stands behind is another caller's, from an earlier run: no run may see it again. */
        for (; strings && (int64_t)at < sw_tensor_count(to); at++)
            SW_TRY(sw_tensor_set_string(to, (int64_t)at, ""));
        if (!strings && at < sw_tensor_bytes(to))
            memset((char *)sw_tensor_data(to) + at, 0, sw_tensor_bytes(to) - at);
    }
    return SW_OK;
}

static void drop_outputs(const sw_servable *m, slot *s)
{
    for (int i = 0; i < m->output_count; i++) {
        sw_tensor_release(s->tensors[m->input_count + i]);
        s->tensors[m->input_count + i] = NULL;
    }
}

/* Every output must have a row for every row that went in, or callers would get each other's. */
static sw_status check_rows(const sw_servable *m, slot *s, int64_t rows)
{
    for (int i = 0; m->batched && i < m->output_count; i++) {
        sw_tensor *out = s->tensors[m->input_count + i];
        if (sw_tensor_rank(out) < 1 || sw_tensor_dim(out, 0) != rows) {
            drop_outputs(m, s);
            return sw_fail(SW_INTERNAL, "output '%s' does not have a row for each of %lld rows", m->outputs[i].name,
                           (long long)rows);
        }
    }
    return SW_OK;
}

static sw_status run_slot(sw_loaded *v, slot *s, sw_cancel *cancel)
{
    sw_servable *m = v->servable;
    sw_tensor **outputs = s->tensors + m->input_count;
    bool fresh = atomic_load_explicit(&v->fresh_outputs, memory_order_relaxed), had = outputs[0] != NULL;
    if (fresh)
        drop_outputs(m, s);
    sw_status status = m->run(m, s->tensors, outputs, cancel);
    if (status == SW_SHAPE && had && !fresh) {
        /* The same input dims gave other output dims: they follow from data. */
        drop_outputs(m, s);
        status = m->run(m, s->tensors, outputs, cancel);
        if (status == SW_OK)
            atomic_store_explicit(&v->fresh_outputs, true, memory_order_relaxed);
    }
    if (status != SW_OK)
        drop_outputs(m, s);
    return status;
}

sw_status sw_loaded_run(sw_loaded *v, int lane, sw_request *const *requests, int count, sw_cancel *cancel,
                        sw_tensor ***outputs, int64_t *ran_rows)
{
    int64_t rows = 0;
    for (int i = 0; i < count; i++)
        rows += requests[i]->rows;
    int size = rows > 0 ? size_for(v, rows) : -1;
    int64_t padded = size >= 0 ? v->sizes[size] : rows;
    slot *s = find_slot(v, lane, requests[0], padded);
    if (!s)
        return sw_alloc_status();
    SW_TRY(gather(v, s, requests, count));
    uint64_t begun = sw_now_ns();
    SW_TRY(run_slot(v, s, cancel));
    if (padded > 0) {
        SW_TRY(check_rows(v->servable, s, padded));
    }
    if (size >= 0 || rows == 0)
        learn(v, size >= 0 ? size : 0, sw_now_ns() - begun);
    *outputs = s->tensors + v->servable->input_count;
    *ran_rows = padded;
    return SW_OK;
}

bool sw_loaded_agree(const sw_loaded *v, const sw_request *a, const sw_request *b)
{
    if (a->version != v || b->version != v || a->rows == 0 || b->rows == 0)
        return false;
    for (int i = 0; i < v->servable->input_count; i++) {
        sw_dims da = a->inputs.items[i].dims, db = b->inputs.items[i].dims;
        da.dim[0] = db.dim[0];
        if (!sw_dims_equal(da, db))
            return false;
    }
    return true;
}

/* ---- warm-up ---- */

/* A request of zeros, with 1 for every size that is left open. *open: whether any but the rows was. */
static sw_status blank(const sw_loaded *v, int rows, sw_request *r, bool *open)
{
    const sw_servable *m = v->servable;
    *open = false;
    SW_TRY(sw_vec_reserve(v->ctx, &r->inputs, (size_t)m->input_count));
    r->inputs.count = (size_t)m->input_count;
    for (int i = 0; i < m->input_count; i++) {
        sw_dims dims = m->inputs[i].dims;
        for (int d = 0; d < dims.rank; d++) {
            *open = *open || (dims.dim[d] < 0 && !(m->batched && d == 0));
            if (dims.dim[d] < 0)
                dims.dim[d] = m->batched && d == 0 ? rows : 1;
        }
        void *data;
        r->inputs.items[i] = (sw_request_input){.dims = dims};
        SW_TRY(sw_request_place(r, m, i, &data));
        memset(data, 0, r->inputs.items[i].bytes);
    }
    if (r->strings.count == 0)
        SW_TRY(sw_vec_push(v->ctx, &r->strings, '\0'));
    r->rows = m->batched ? rows : 0;
    return SW_OK;
}

/* Runs one size WARM_TURNS times; *quickest in ns. */
static sw_status warm_size(sw_loaded *v, int size, uint64_t *quickest)
{
    sw_request r = {.ctx = v->ctx}, *one = &r;
    bool open = false;
    sw_tensor **outputs;
    int64_t rows;
    *quickest = 0;
    sw_status status = blank(v, v->sizes[size], &r, &open);
    for (int turn = 0; turn < WARM_TURNS && status == SW_OK; turn++) {
        uint64_t begun = sw_now_ns(), took;
        status = sw_loaded_run(v, 0, &one, 1, NULL, &outputs, &rows);
        took = sw_now_ns() - begun;
        if (turn == 1 || (turn > 1 && took < *quickest)) /* what the first run took says nothing of the next */
            *quickest = took;
    }
    sw_request_free(&r);
    /* Sizes that the model leaves open were guessed as 1; a model may rightly refuse that. */
    return open && (status == SW_SHAPE || status == SW_INVALID) ? SW_OK : status;
}

sw_status sw_loaded_warm(sw_loaded *v)
{
    uint64_t quickest[SW_SIZES_MAX];
    for (int i = 0; i < v->size_count; i++)
        SW_TRY(warm_size(v, i, &quickest[i]));
    for (int i = 0; i < v->size_count; i++)
        atomic_store_explicit(&v->run_ns[i], quickest[i], memory_order_relaxed);
    choose_sizes(v);
    return SW_OK;
}
