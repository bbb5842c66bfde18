/* data/source.h: where samples come from.
 *
 * A source reads one pair of files (samples, targets) into two tensors with equal first dims. It knows its
 * file format and nothing of splits, classes or batches. Uses: base/, tensor/. */
#ifndef SW_DATA_SOURCE_H
#define SW_DATA_SOURCE_H

#include "base/doc.h"
#include "slipway/tensor.h"

typedef struct sw_source {
    const char *name;  /* the key under `data:` */
    const char *x_key; /* the files' keys in the recipe, without the "test_" of the test part */
    const char *y_key;
    sw_status (*read)(sw_context *ctx, const char *path, sw_tensor **tensor);
} sw_source;

extern const sw_source sw_source_idx;
extern const sw_source sw_source_npy;

typedef enum sw_part { SW_PART_TRAIN, SW_PART_TEST, SW_PART_COUNT } sw_part;

/* What `data:` says, resolved: which files, how they are read, what the classes are called. Texts live in the arena. */
typedef struct sw_data_spec {
    const char *name;
    const sw_source *source;
    const char *x_path[SW_PART_COUNT], *y_path[SW_PART_COUNT]; /* NULL: the set has no such part */
    const char *const *class_names;                            /* NULL: classes are called by number */
    int class_count;                                           /* of class_names */
    int64_t validation;                                        /* as in sw_dataset_options */
} sw_data_spec;

/* Reads `data:` of a recipe: "fashion-mnist", or a map:
 *
 *   {set: mnist, folder: /data/mnist, validation: 5000}
 *   {idx: {images: a.gz, labels: b.gz, test_images: c.gz, test_labels: d.gz}, classes: [cat, dog]}
 *   {npy: {x: x.npy, y: y.npy, test_x: …, test_y: …}}
 *
 * `base` is the folder that relative paths start from (NULL: the working folder); `folder` overrides a known set's. */
sw_status sw_data_spec_read(sw_arena *arena, const sw_doc *doc, const char *base, const char *folder,
                            sw_data_spec *spec);
/* A known set by name. `at` (may be NULL) is where the name stands, for messages. */
sw_status sw_data_spec_known(sw_arena *arena, const sw_doc *at, const char *name, const char *folder,
                             sw_data_spec *spec);

#endif
