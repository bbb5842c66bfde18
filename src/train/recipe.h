/* train/recipe.h: what a person writes down to have a model trained.
 *
 *   name: fashion
 *   data: fashion-mnist
 *   model: [conv 32 3 relu, maxpool 2, conv 64 3 relu, maxpool 2, flatten, dense 10]
 *   train: {optimizer: adam, lr: 1e-3, batch: 64, epochs: 8, seed: 1}
 *
 * Every fault in it is one line with file, line and column. A recipe lives in one arena. Uses: base/. */
#ifndef SW_TRAIN_RECIPE_H
#define SW_TRAIN_RECIPE_H

#include "base/doc.h"
#include "base/text.h"
#include "train/layer.h"

typedef enum sw_optimizer { SW_SGD, SW_ADAM, SW_ADAMW } sw_optimizer;
typedef enum sw_schedule_kind { SW_SCHEDULE_CONSTANT, SW_SCHEDULE_STEP, SW_SCHEDULE_COSINE } sw_schedule_kind;

/* `train:`, with defaults filled in. */
typedef struct sw_train_settings {
    sw_optimizer optimizer;
    double lr;                    /* adam, adamw: 0.001; sgd: 0.01 */
    double momentum;              /* sgd: 0.9 */
    bool nesterov;                /* sgd */
    double weight_decay;          /* adamw: 0.01; else 0 */
    double beta1, beta2, epsilon; /* adam, adamw: 0.9, 0.999, 1e-8 */
    sw_schedule_kind schedule;
    double warmup;       /* epochs in which lr rises to its full value */
    double lr_end;       /* cosine: the last step's share of lr */
    double decay_every;  /* step: epochs */
    double decay_factor; /* step */
    double label_smoothing;
    int64_t batch, epochs, seed, patience; /* patience: epochs without a better validation; 0: never stop early */
    int64_t shift;                         /* augmentation of pictures: pixels */
    bool flip;
    bool drop_last;
} sw_train_settings;

typedef struct sw_recipe {
    const char *name;
    const sw_doc *root; /* the document, after overrides */
    const sw_doc *data; /* its `data:` */
    const char *folder; /* where relative paths of `data:` start; NULL: the working folder */
    bool normalize;     /* subtract the training mean and divide by the deviation, inside the model; true */
    const sw_layer *layers;
    int layer_count;
    sw_train_settings train;
} sw_recipe;

/* Reads a recipe from a file, or from text (a run keeps the text). `sets` are overrides "optimizer.lr=0.01", applied in
 * order. SW_INVALID with the place. */
sw_status sw_recipe_file(sw_arena *arena, const char *path, const char *const *sets, int set_count,
                         const sw_recipe **recipe);
sw_status sw_recipe_text(sw_arena *arena, const char *source, const char *folder, const char *text, size_t size,
                         const char *const *sets, int set_count, const sw_recipe **recipe);

/* The whole document as JSON (which is YAML too): what a run keeps, so that overrides are in it. */
void sw_recipe_write(const sw_recipe *recipe, sw_text *out);

/* "optimizer.lr=0.01" put into a document. Paths are keys and list positions joined by dots. A first key that no recipe
 * has is looked for under `train`; "optimizer.", "schedule." and "augment." before such a key are allowed. */
sw_status sw_recipe_set(sw_arena *arena, sw_doc *root, const char *set);

const char *sw_optimizer_name(sw_optimizer optimizer);
const char *sw_schedule_name(sw_schedule_kind schedule);

#endif
