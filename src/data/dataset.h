/* data/dataset.h: the inside of a data set, for the rest of this room and for recipes.
 * Uses: base/, tensor/. */
#ifndef SW_DATA_DATASET_H
#define SW_DATA_DATASET_H

#include <pthread.h>

#include "base/hash.h"
#include "data/source.h"
#include "slipway/data.h"

typedef struct sw_part_data {
    sw_tensor *x, *y; /* contiguous, equal first dims; NULL until loaded */
    char hash[SW_SHA256_HEX];
} sw_part_data;

struct sw_dataset {
    sw_context *ctx;
    sw_arena *arena; /* the spec's texts */
    sw_data_spec spec;
    sw_data_split split;
    sw_part_data parts[SW_PART_COUNT];
    pthread_mutex_t lock;         /* the loading of the test part */
    uint32_t *train, *validation; /* rows of the training part, ascending */
    int64_t train_count, validation_count;
    int classes;
};

/* Opens what `data:` of a document says; `base` is where its relative paths start. */
sw_status sw_dataset_open_doc(sw_context *ctx, const sw_doc *doc, const char *base, const char *folder,
                              sw_dataset **data);

/* A split as rows of one part: row of sample i is rows[i], or i when `rows` is NULL. Loads the test part if need be. */
typedef struct sw_rows {
    const sw_part_data *part;
    const uint32_t *rows;
    int64_t count;
} sw_rows;
sw_status sw_dataset_rows(sw_dataset *data, sw_data_split split, sw_rows *rows);

#endif
