/* tests/train/support.h: a folder with a small data set, a recipe and a store, gone after the test. */
#ifndef TESTS_TRAIN_SUPPORT_H
#define TESTS_TRAIN_SUPPORT_H

#include "data/support.h"
#include "slipway/train.h"
#include "train/stepper.h"

/* Pictures of 8x8 with a bright quarter: the label says which; some noise. */
#define BOX_SIDE 8
static inline void write_boxes(place *p, const char *images, const char *labels, uint32_t seed, uint32_t count)
{
    static uint8_t pixels[1 << 18], file[1 << 19], names[8192];
    uint32_t random = seed * 2654435761u + 12345;
    for (uint32_t i = 0; i < count; i++) {
        names[i] = (uint8_t)(i % 4);
        for (int y = 0; y < BOX_SIDE; y++)
            for (int x = 0; x < BOX_SIDE; x++) {
                random = random * 1664525u + 1013904223u;
                bool bright = (y >= BOX_SIDE / 2) == (names[i] >= 2) && (x >= BOX_SIDE / 2) == (names[i] % 2 == 1);
                pixels[(i * BOX_SIDE + (uint32_t)y) * BOX_SIDE + (uint32_t)x] =
                    (uint8_t)((bright ? 90 : 0) + (random >> 24) * 5 / 8);
            }
    }
    size_t n = idx_bytes(file, 8, 3, (uint32_t[]){count, BOX_SIDE, BOX_SIDE}, pixels, count * BOX_SIDE * BOX_SIDE);
    place_write(p, images, file, n);
    n = idx_bytes(file, 8, 1, (uint32_t[]){count}, names, count);
    place_write(p, labels, file, n);
}

#define BOX_DATA                                                                                                       \
    "data: {idx: {images: x, labels: y, test_images: tx, test_labels: ty}, classes: [nw, ne, sw, se], validation: "    \
    "40}\n"
#define BOX_MODEL "model: [conv 4 3, batchnorm, relu, maxpool 2, flatten, dropout 0.2, dense 4]\n"
#define BOX_TRAIN                                                                                                      \
    "train: {optimizer: adamw, lr: 0.01, schedule: cosine, warmup: 0.5, batch: 37, epochs: 4, seed: 7, shift: 1}\n"

typedef struct box {
    place *place;
    sw_store *store;
    char recipe[160];
} box;

static inline int box_make(void **state)
{
    static box b;
    void *p;
    if (place_make(&p) != 0)
        return -1;
    b.place = p;
    sw_context_free(b.place->ctx);
    b.place->ctx = sw_context_new(NULL); /* with ops and backends */
    write_boxes(b.place, "x", "y", 1, 400);
    write_boxes(b.place, "tx", "ty", 2, 100);
    snprintf(b.recipe, sizeof b.recipe, "%s/recipe.yaml", b.place->folder);
    *state = &b;
    return b.place->ctx != NULL && sw_store_open(b.place->ctx, place_path(b.place, "store"), NULL, &b.store) == SW_OK
               ? 0
               : -1;
}

static inline int box_drop(void **state)
{
    box *b = *state;
    char command[128];
    sw_store_close(b->store);
    snprintf(command, sizeof command, "rm -r %s", b->place->folder);
    int gone = system(command);
    sw_context_free(b->place->ctx);
    return gone;
}

static inline void box_recipe(box *b, const char *text) { place_write(b->place, "recipe.yaml", text, strlen(text)); }

static inline sw_train_options box_options(box *b)
{
    return (sw_train_options){.size = sizeof(sw_train_options), .store = b->store, .recipe = b->recipe, .threads = 1};
}

static inline sw_train_result box_train(box *b, const sw_train_options *options)
{
    sw_train_result result;
    if (sw_train(b->place->ctx, options, &result) != SW_OK)
        fail_msg("%s", sw_error_text());
    return result;
}

#endif
