/* load_data.c: questions and right answers from a data set. */
#include "cli/load_data.h"

#include <string.h>

#include "base/arena.h"
#include "base/doc.h"
#include "cli/picture.h"
#include "slipway/data.h"

struct cli_questions {
    sw_context *ctx;
    sw_dataset *data;
    sw_data_split split;
    int64_t count;
};

sw_status cli_questions_open(cli *c, const char *name, cli_questions **out)
{
    sw_context *ctx = cli_context(c);
    cli_questions *q = sw_alloc_zero(ctx, sizeof *q);
    if (!q)
        return sw_alloc_status();
    q->ctx = ctx;
    sw_status status = SW_OK;
    q->data = sw_dataset_open(ctx, name,
                              &(sw_dataset_options){.size = sizeof(sw_dataset_options),
                                                    .folder = cli_text(c, "data-folder"),
                                                    .validation = -1});
    if (!q->data)
        status = SW_NOT_FOUND;
    else if (!sw_dataset_is_pictures(q->data) || sw_dataset_classes(q->data) == 0)
        status = sw_fail(SW_UNSUPPORTED, "%s: its samples are no pictures with classes", name);
    else {
        q->split = sw_dataset_split(q->data);
        status = sw_dataset_count(q->data, q->split, &q->count);
    }
    if (status == SW_OK)
        *out = q;
    else
        cli_questions_close(q);
    return status;
}

void cli_questions_close(cli_questions *q)
{
    if (!q)
        return;
    sw_dataset_close(q->data);
    sw_free(q->ctx, q);
}

int64_t cli_question_count(const cli_questions *q) { return q->count; }

sw_status cli_question_write(cli_questions *q, int64_t number, sw_text *request)
{
    sw_tensor *x = NULL;
    sw_text png;
    sw_text_init(&png, q->ctx);
    sw_status status = sw_dataset_sample(q->data, q->split, number, &x, NULL);
    if (status == SW_OK) {
        sw_dims dims = sw_tensor_dims(x);
        cli_picture picture = {sw_tensor_data(x), (int)dims.dim[0], (int)dims.dim[1], (int)dims.dim[2]};
        status = cli_picture_png(q->ctx, &png, &picture);
    }
    if (status == SW_OK) {
        sw_text_addf(request, "Content-Length: %zu\r\n\r\n", png.size);
        sw_text_addn(request, png.data, png.size);
        status = request->status;
    }
    sw_tensor_release(x);
    sw_text_free(&png);
    return status;
}

/* The first label of an answer, in the arena; NULL when it has none. */
static const char *first_label(sw_arena *arena, const char *answer, size_t size)
{
    sw_doc *doc;
    if (sw_doc_json(arena, "answer", answer, size, &doc) != SW_OK)
        return NULL;
    const sw_doc *tags = sw_doc_get(doc, "tags");
    const sw_doc *label =
        tags && tags->kind == SW_DOC_LIST && tags->count > 0 ? sw_doc_get(tags->items[0], "label") : NULL;
    return label ? label->string : NULL;
}

bool cli_question_is_right(cli_questions *q, int64_t number, const char *answer, size_t size)
{
    sw_tensor *x = NULL, *y = NULL;
    sw_arena *arena = sw_arena_new(q->ctx);
    const char *label = arena ? first_label(arena, answer, size) : NULL;
    bool right = label && sw_dataset_sample(q->data, q->split, number, &x, &y) == SW_OK &&
                 strcmp(label, sw_dataset_class_name(q->data, (int)sw_tensor_get_int(y, 0))) == 0;
    sw_tensor_release(x);
    sw_tensor_release(y);
    sw_arena_free(arena);
    return right;
}
