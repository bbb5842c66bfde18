/* checkpoint.c: states to bytes and back.
 *
 * Reading goes over the bytes twice: the first time only to find every fault, the second to copy. So a
 * checkpoint that is damaged, or of another model, changes nothing. */
#include "train/checkpoint.h"

#include <string.h>

#include "base/hash.h"
#include "tensor/dtype.h"

#define VERSION 1
#define LONGEST_NAME 255

static const char magic[8] = {'S', 'W', 'C', 'K', 'P', 'T', '\r', '\n'};

typedef struct head {
    char magic[8];
    uint32_t version, states;
    uint64_t length; /* of the whole, the CRC included */
    int64_t epoch, batch, step, best_epoch, stale, seen;
    double best, loss_sum, correct;
} head;

typedef struct state_head {
    uint32_t name_length;
    uint8_t dtype, rank;
    uint16_t zero;
} state_head;

/* Writing */

static void write_state(sw_text *out, const sw_state *state)
{
    const char *name = sw_state_name(state);
    const sw_tensor *t = sw_state_tensor(state);
    sw_dims dims = sw_tensor_dims(t);
    state_head h = {
        .name_length = (uint32_t)strlen(name), .dtype = (uint8_t)sw_tensor_dtype(t), .rank = (uint8_t)dims.rank};
    sw_text_addn(out, &h, sizeof h);
    sw_text_addn(out, dims.dim, (size_t)dims.rank * sizeof dims.dim[0]);
    sw_text_addn(out, name, h.name_length);
    sw_text_addn(out, sw_tensor_data(t), sw_tensor_bytes(t));
}

sw_status sw_checkpoint_write(const sw_graph *g, const sw_progress *p, sw_text *out)
{
    int count = sw_graph_state_count(g);
    head h = {.version = VERSION,
              .states = (uint32_t)count,
              .epoch = p->next.epoch,
              .batch = p->next.batch,
              .step = p->step,
              .best_epoch = p->best_epoch,
              .stale = p->stale,
              .seen = p->seen,
              .best = p->best,
              .loss_sum = p->loss_sum,
              .correct = p->correct};
    memcpy(h.magic, magic, sizeof magic);
    sw_text_clear(out);
    sw_text_addn(out, &h, sizeof h);
    for (int i = 0; i < count; i++)
        write_state(out, sw_graph_state(g, i));
    if (out->status != SW_OK)
        return out->status;
    h.length = out->size + sizeof(uint32_t);
    memcpy(out->data + offsetof(head, length), &h.length, sizeof h.length);
    uint32_t crc = sw_crc32(0, out->data, out->size);
    sw_text_addn(out, &crc, sizeof crc);
    return out->status;
}

/* Reading */

typedef struct reader {
    const char *name;
    const uint8_t *at, *end;
} reader;

static const void *take(reader *r, size_t bytes)
{
    if ((size_t)(r->end - r->at) < bytes)
        return NULL;
    const void *here = r->at;
    r->at += bytes;
    return here;
}

static sw_status broken(const reader *r)
{
    return sw_fail(SW_CORRUPT, "%s: the checkpoint's states do not fill its bytes", r->name);
}

static sw_status read_head(const char *name, const uint8_t *bytes, size_t size, head *h)
{
    uint32_t crc;
    if (size < sizeof *h + sizeof crc || memcmp(bytes, magic, sizeof magic) != 0)
        return sw_fail(SW_CORRUPT, "%s: not a checkpoint", name);
    memcpy(h, bytes, sizeof *h);
    if (h->version != VERSION)
        return sw_fail(SW_UNSUPPORTED, "%s: a checkpoint of version %u; this program reads version %d", name,
                       h->version, VERSION);
    if (h->length != size)
        return sw_fail(SW_CORRUPT, "%s: the checkpoint has %zu bytes, should have %llu", name, size,
                       (unsigned long long)h->length);
    memcpy(&crc, bytes + size - sizeof crc, sizeof crc);
    if (crc != sw_crc32(0, bytes, size - sizeof crc))
        return sw_fail(SW_CORRUPT, "%s: the checkpoint is damaged (its checksum does not fit)", name);
    if (h->epoch < 0 || h->batch < 0 || h->step < 0 || h->seen < 0)
        return sw_fail(SW_CORRUPT, "%s: the checkpoint's position is negative", name);
    return SW_OK;
}

static sw_state *find_state(const sw_graph *g, const char *name, size_t length)
{
    for (int i = 0; i < sw_graph_state_count(g); i++) {
        const char *has = sw_state_name(sw_graph_state(g, i));
        if (strlen(has) == length && memcmp(has, name, length) == 0)
            return sw_graph_state(g, i);
    }
    return NULL;
}

typedef struct entry {
    sw_state *state;
    const void *elements;
} entry;

static sw_status read_state(reader *r, const sw_graph *g, entry *e)
{
    state_head h;
    sw_dims dims = {0};
    const void *raw = take(r, sizeof h);
    if (raw == NULL)
        return broken(r);
    memcpy(&h, raw, sizeof h);
    if (h.name_length > LONGEST_NAME || h.rank > SW_MAX_RANK || (raw = take(r, h.rank * sizeof dims.dim[0])) == NULL)
        return broken(r);
    dims.rank = h.rank;
    memcpy(dims.dim, raw, h.rank * sizeof dims.dim[0]);
    const char *name = take(r, h.name_length);
    if (name == NULL)
        return broken(r);
    e->state = find_state(g, name, h.name_length);
    if (e->state == NULL)
        return sw_fail(SW_INVALID, "%s: the checkpoint has a state '%.*s' that this model has not", r->name,
                       (int)h.name_length, name);
    const sw_tensor *t = sw_state_tensor(e->state);
    if (sw_tensor_dtype(t) != (sw_dtype)h.dtype || !sw_dims_equal(sw_tensor_dims(t), dims))
        return sw_fail(SW_INVALID, "%s: the checkpoint's state '%.*s' has another type or other dims than this model's",
                       r->name, (int)h.name_length, name);
    e->elements = take(r, sw_tensor_bytes(t));
    return e->elements != NULL ? SW_OK : broken(r);
}

static sw_status copy_state(sw_context *ctx, const entry *e)
{
    const sw_tensor *t = sw_state_tensor(e->state);
    sw_tensor *fresh = sw_tensor_from(ctx, sw_tensor_dtype(t), sw_tensor_dims(t), e->elements);
    if (fresh == NULL)
        return sw_alloc_status();
    sw_status status = sw_state_set(e->state, fresh);
    sw_tensor_release(fresh);
    return status;
}

static sw_status walk(const char *name, const uint8_t *bytes, size_t size, const sw_graph *g, const head *h, bool copy)
{
    reader r = {.name = name, .at = bytes + sizeof *h, .end = bytes + size - sizeof(uint32_t)};
    if (h->states != (uint32_t)sw_graph_state_count(g))
        return sw_fail(SW_INVALID, "%s: the checkpoint has %u states, this model has %d", name, h->states,
                       sw_graph_state_count(g));
    for (uint32_t i = 0; i < h->states; i++) {
        entry e = {0};
        SW_TRY(read_state(&r, g, &e));
        if (copy)
            SW_TRY(copy_state(sw_graph_context(g), &e));
    }
    return r.at == r.end ? SW_OK : broken(&r);
}

sw_status sw_checkpoint_read(const char *name, const void *bytes, size_t size, const sw_graph *g, sw_progress *progress)
{
    head h;
    SW_TRY(read_head(name, bytes, size, &h));
    SW_TRY(walk(name, bytes, size, g, &h, false));
    SW_TRY(walk(name, bytes, size, g, &h, true));
    if (progress != NULL)
        *progress = (sw_progress){.next = {h.epoch, h.batch},
                                  .step = h.step,
                                  .best_epoch = h.best_epoch,
                                  .stale = h.stale,
                                  .best = h.best,
                                  .loss_sum = h.loss_sum,
                                  .correct = h.correct,
                                  .seen = h.seen};
    return SW_OK;
}
