/* serve/request.h: one caller's question, from its bytes to its rows.
 *
 * A request lives in its connection's own memory and is used again for the next one, so its buffers stop growing.
 * Texts that it points to (the id) stand in the exchange's body, which stays until the answer is sent.
 * Uses: serve/servable.h, serve/scan.h, net/server.h. */
#ifndef SW_SERVE_REQUEST_H
#define SW_SERVE_REQUEST_H

#include "base/vec.h"
#include "net/server.h"
#include "serve/scan.h"
#include "serve/servable.h"

typedef struct sw_loaded sw_loaded;
typedef struct sw_model sw_model;
typedef struct sw_request sw_request;

typedef struct sw_request_input {
    bool given;
    sw_dims dims;
    size_t at; /* in data; of strings: uint64_t offsets into `strings` */
    size_t bytes;
} sw_request_input;

struct sw_request {
    sw_context *ctx;
    sw_exchange *exchange;
    sw_model *model;
    sw_loaded *version;          /* held */
    sw_request *previous, *next; /* in the model's queue */
    bool queued;                 /* guarded by the scheduler's lock */

    sw_status (*read)(sw_request *r); /* makes rows of the body; NULL: that is done */
    bool picture;                     /* answered with tags instead of tensors */
    int top;                          /* how many tags */
    uint64_t arrived;                 /* when the question was complete (ns) */
    int64_t rows;                     /* 0: not batched, runs alone */
    uint64_t deadline;                /* ns; 0: none */
    uint64_t queued_at, run_at, ran_at;
    sw_scan_text id; /* raw.at is NULL when none was given */
    sw_vec(sw_request_input) inputs;
    sw_vec(int) outputs; /* those asked for, in order */
    sw_vec(uint8_t) data;
    sw_vec(char) strings;
};

/* Ready for another question; keeps the memory. */
void sw_request_reset(sw_request *r);
void sw_request_free(sw_request *r);
/* Room for input `index` (its dims are set): r->data grows. The pointer is valid until the next such call. */
sw_status sw_request_place(sw_request *r, const sw_servable *model, int index, void **data);
/* After all inputs are there: checks that none is missing and that the rows agree. */
sw_status sw_request_complete(sw_request *r, const sw_servable *model);
/* `dims` against the port: SW_SHAPE names the input and both. */
sw_status sw_request_fits(const sw_port *port, sw_dims dims);

/* ---- Open Inference Protocol v2, JSON ---- */

/* "FP32", …; NULL when the protocol has no name for it. */
const char *sw_datatype_name(sw_dtype dtype);
/* Reads an inference request's body for `model` into `r`. SW_INVALID or SW_SHAPE with where it is wrong. */
sw_status sw_infer_read(sw_request *r, const sw_servable *model, const char *body, size_t size);
/* Writes the answer: rows from `row` on of outputs (all of them when the request is not batched). */
void sw_infer_write(const sw_request *r, const char *model_name, const sw_servable *model, sw_tensor *const *outputs,
                    int64_t row, sw_text *text);

/* ---- pictures in, names out ---- */

/* The output that scores classes, -1 when there is none. */
int sw_scores_output(const sw_servable *model);
/* Decodes PNG, JPEG or WebP into the picture input's dims. SW_UNSUPPORTED when it is none of these, SW_INVALID when the
 * model cannot be asked about pictures: that takes one u8 input that holds one, and an output that scores classes. */
sw_status sw_picture_read(sw_request *r, const sw_servable *model, const char *bytes, size_t size);
/* {"model", "version", "tags": [{"label", "score"}…], "ms"} */
void sw_tags_write(const sw_request *r, const char *model_name, const sw_servable *model, sw_tensor *const *outputs,
                   int64_t row, sw_text *text);

/* Elements first … first + count - 1, with commas between. */
void sw_elements_write(sw_text *text, const sw_tensor *tensor, int64_t first, int64_t count);
/* {"error": "…"} */
void sw_error_write(sw_text *text, const char *message);
/* A string with its quotes. */
void sw_string_write(sw_text *text, const char *bytes, size_t size);

#endif
