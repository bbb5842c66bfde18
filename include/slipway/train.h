/* slipway/train.h: from a recipe to a registered model.
 *
 * A training run is a loop over batches around one plan (forward, backward, update). What survives a step is named
 * state; a checkpoint is all of it plus the data cursor, and so a run that was stopped or killed at any instant goes on
 * to the same bits. The run, its metrics, log and checkpoints are kept in a store. */
#ifndef SLIPWAY_TRAIN_H
#define SLIPWAY_TRAIN_H

#include "slipway/data.h"
#include "slipway/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sw_train_event {
    SW_TRAIN_BEGUN, /* everything is compiled; the first step comes next */
    SW_TRAIN_STEP,
    SW_TRAIN_EPOCH, /* validated; the checkpoints are written */
    SW_TRAIN_TESTED,
    SW_TRAIN_REGISTERED
} sw_train_event;

/* Where a run stands. NaN: not known (yet), or not something this run has. */
typedef struct sw_train_progress {
    sw_train_event event;
    const char *run, *model, *data; /* the run's id; the recipe's name; the data set's */
    int64_t parameters;             /* trainable numbers */
    int64_t samples;                /* of the training split */
    int64_t epoch, epochs;          /* epoch: of the step just done, from 0 */
    int64_t batch, batches;         /* likewise */
    int64_t step;                   /* steps done */
    bool resumed;
    double lr;
    double loss, accuracy;                       /* means over this epoch so far */
    double validation_loss, validation_accuracy; /* of the last epoch */
    double best;                                 /* validation accuracy (or loss, of a regression) so far */
    double test_loss, test_accuracy;
    double samples_per_second; /* over the last seconds */
    double seconds, seconds_left;
    int64_t version; /* once registered */
} sw_train_progress;

typedef struct sw_train_options {
    size_t size;             /* sizeof(sw_train_options) */
    sw_store *store;         /* where the run is kept */
    const char *recipe;      /* a file; NULL when a run is resumed */
    const char *const *sets; /* "optimizer.lr=0.01", applied in order */
    int set_count;
    const char *resume;        /* a run's id; NULL: a new run */
    bool any_identity;         /* resume also where the bits will differ */
    const char *data_folder;   /* overrides where a known set lies */
    int threads;               /* of a step; 0: all that the context may use */
    const char *register_as;   /* the model to make a version of; NULL: none */
    const char *alias;         /* moved to that version; NULL: none */
    int64_t checkpoint_steps;  /* also write a checkpoint every so many steps; 0: only by time and at epochs' ends */
    double checkpoint_seconds; /* also write one when the last is older; 0: 30 */
    const char *trace;         /* a file for a timeline of 20 early steps (Trace Event JSON); NULL: none */
    sw_cancel *cancel;         /* a request ends the run with a checkpoint, resumable; may be NULL */
    void (*progress)(void *user, const sw_train_progress *progress); /* called by the running thread; may be NULL */
    void *user;
} sw_train_options;

typedef struct sw_train_result {
    char run[129];
    char weights[65]; /* SHA-256 over the best checkpoint's parameters and statistics: names, dims, bytes */
    char last[65];    /* the same over the last step's */
    int64_t steps, parameters, version; /* version: 0 when none was registered */
    double validation_accuracy, validation_loss, test_accuracy, test_loss;
} sw_train_result;

/* Runs to the end. SW_CANCELLED when stopped (the run is resumable, result->run says which); SW_INVALID for a fault of
 * the recipe; SW_IDENTITY when resumed under another identity; and whatever data, compiling and the store say. A failed
 * run is recorded as failed with its reason. */
SW_API sw_status sw_train(sw_context *ctx, const sw_train_options *options, sw_train_result *result);

/* ---- evaluation of a model that is there ---- */
typedef struct sw_eval_options {
    size_t size;       /* sizeof(sw_eval_options) */
    const char *model; /* "name", "name:3", "name@alias" in the store, or an .onnx file */
    sw_store *store;   /* may be NULL for a file */
    sw_dataset *data;
    sw_data_split split;
    int64_t batch; /* 0: 250 */
    int threads;   /* 0: all that the context may use */
    sw_cancel *cancel;
} sw_eval_options;

typedef struct sw_eval_result {
    int64_t samples;
    int64_t correct;
    double accuracy, loss; /* accuracy: NaN for a regression; loss: cross-entropy or mean squared error */
    double seconds;
    int64_t version; /* of a model in the store; else 0 */
    int classes;
    int64_t *confusion; /* [classes][classes], row: label, column: answer; released with sw_eval_free; NULL for a
                           regression */
} sw_eval_result;

SW_API sw_status sw_evaluate(sw_context *ctx, const sw_eval_options *options, sw_eval_result *result);
SW_API void sw_eval_free(sw_context *ctx, sw_eval_result *result);

#ifdef __cplusplus
}
#endif
#endif
