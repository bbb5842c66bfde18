/* slipway/data.h: data sets and the batches made from them.
 *
 * A data set is a pair of arrays per part (training, test): `x` holds the samples, `y` what is to be learned.
 * Pictures are u8 [N, H, W, C]; anything else is [N, …]. Labels of classes are i64 [N]; other targets keep
 * their type. The training part is cut once more: a validation split is held out by an addressed permutation
 * that depends on nothing but the number of samples, so every run sees the same one. The test part is read
 * from disk only when it is first asked for.
 *
 * A loader turns a split into batches. Everything random about a batch (order, shifts, flips) is a function of
 * (seed, stream, epoch, sample), so a batch is the same bits whether it was prefetched, resumed at or reached
 * by running there. */
#ifndef SLIPWAY_DATA_H
#define SLIPWAY_DATA_H

#include "slipway/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sw_data_split { SW_SPLIT_TRAIN, SW_SPLIT_VALIDATION, SW_SPLIT_TEST, SW_SPLIT_COUNT } sw_data_split;

SW_API const char *sw_data_split_name(sw_data_split split); /* "train", "validation", "test" */

typedef struct sw_dataset sw_dataset;

typedef struct sw_dataset_options {
    size_t size;        /* sizeof(sw_dataset_options) */
    const char *folder; /* where a known set's files lie; NULL: the set's customary folder */
    int64_t validation; /* samples held out of training; -1: 5,000, or a twelfth when there are fewer than 60,000 */
} sw_dataset_options;

/* Opens "NAME" or "NAME:SPLIT" (split: train, validation, test; train when not said), where NAME is a known set
 * ("fashion-mnist", "mnist") or a YAML or JSON file whose `data:` says which (a recipe will do). Reads the training
 * part now. NULL on failure: SW_NOT_FOUND for an unknown name or absent files, SW_CORRUPT for bad ones. `options` may
 * be NULL. Released with sw_dataset_close. Threads: any number may read an open data set. */
SW_API sw_dataset *sw_dataset_open(sw_context *ctx, const char *name, const sw_dataset_options *options);
SW_API void sw_dataset_close(sw_dataset *data); /* NULL is allowed */

SW_API const char *sw_dataset_name(const sw_dataset *data);
SW_API sw_data_split sw_dataset_split(const sw_dataset *data); /* the split that the name asked for */

/* Samples in a split; loads the test part when that is asked for and not yet there. 0 for a set without one. */
SW_API sw_status sw_dataset_count(sw_dataset *data, sw_data_split split, int64_t *count);

SW_API sw_dtype sw_dataset_x_dtype(const sw_dataset *data);
SW_API sw_dims sw_dataset_x_dims(const sw_dataset *data); /* of one sample: [28, 28, 1] */
SW_API sw_dtype sw_dataset_y_dtype(const sw_dataset *data);
SW_API sw_dims sw_dataset_y_dims(const sw_dataset *data); /* of one target: [] for labels */
SW_API bool sw_dataset_is_pictures(const sw_dataset *data);
SW_API int sw_dataset_classes(const sw_dataset *data); /* 0 when y is no class label */
SW_API const char *sw_dataset_class_name(const sw_dataset *data,
                                         int label); /* "7" when classes have no names; never NULL */

/* SHA-256 over types, dims and bytes of a part: training (with validation) or test. 64 hex digits, valid while the
 * data set is open; NULL when the test part cannot be read. */
SW_API const char *sw_dataset_hash(sw_dataset *data, sw_data_split split);

/* Mean and standard deviation of the training split (validation excluded) per channel, the last dim of a sample.
 * Pictures count as value / 255. A channel that never varies has deviation 1. `mean` and `deviation` have room for
 * sw_dataset_channels() values. */
SW_API int64_t sw_dataset_channels(const sw_dataset *data);
SW_API sw_status sw_dataset_statistics(const sw_dataset *data, double *mean, double *deviation);

/* Copies sample `index` of a split: x and y as tensors of one sample, without a batch dim. `y` may be NULL. */
SW_API sw_status sw_dataset_sample(sw_dataset *data, sw_data_split split, int64_t index, sw_tensor **x, sw_tensor **y);

/* Where a loader stands: the next batch to be given. */
typedef struct sw_cursor {
    int64_t epoch, batch;
} sw_cursor;

typedef struct sw_loader_options {
    size_t size; /* sizeof(sw_loader_options) */
    sw_data_split split;
    int64_t batch;  /* samples per batch; >= 1 */
    bool shuffle;   /* a new order each epoch */
    bool drop_last; /* leave out an epoch's last batch when it is not full */
    uint64_t seed;
    int shift;      /* pictures: moved by up to so many pixels each way, zeros flow in */
    bool flip;      /* pictures: mirrored left to right, every other one */
    int prefetch;   /* batches made ahead; 0: 4 */
    sw_cursor from; /* the first batch to give */
} sw_loader_options;

typedef struct sw_batch {
    sw_tensor *x, *y; /* [count, …]; the loader's, valid until the next call of sw_loader_next or sw_loader_close */
    int64_t count;    /* samples; fewer than asked for only in an epoch's last batch */
    int64_t index;    /* in its epoch */
    int64_t epoch;
    bool last; /* of its epoch */
} sw_batch;

typedef struct sw_loader sw_loader;

/* One thread makes batches ahead, at most `prefetch` of them. The loader goes on over epochs without end; the caller
 * decides when to stop. SW_INVALID says which option cannot be. The data set must outlive it. */
SW_API sw_status sw_loader_open(sw_dataset *data, const sw_loader_options *options, sw_loader **loader);
SW_API void sw_loader_close(sw_loader *loader);            /* NULL is allowed */
SW_API int64_t sw_loader_batches(const sw_loader *loader); /* per epoch; 0 for an empty split */

/* The next batch; allocates nothing. `cancel` may be NULL. SW_NOT_FOUND when the split is empty. */
SW_API sw_status sw_loader_next(sw_loader *loader, sw_batch *batch, const sw_cancel *cancel);
/* The position behind the batch last given: what a checkpoint keeps. */
SW_API sw_cursor sw_loader_cursor(const sw_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
