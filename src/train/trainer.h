/* train/trainer.h: a run while it is going on; for the files of this room that make up sw_train.
 * Uses: base/, data/, store/, stepper.h, checkpoint.h. */
#ifndef SW_TRAIN_TRAINER_H
#define SW_TRAIN_TRAINER_H

#include "slipway/train.h"
#include "train/checkpoint.h"
#include "train/stepper.h"

#define SW_EVAL_BATCH 250

typedef struct sw_trainer {
    sw_context *ctx;
    const sw_train_options *options;
    sw_train_result *result;
    sw_arena *arena; /* the recipe and other texts */
    const sw_recipe *recipe;
    const char *recipe_text; /* what the store keeps */
    sw_dataset *data;
    sw_network *network;
    sw_stepper *stepper;
    sw_loader *loader;
    sw_record *record;
    const sw_run_list *resumed; /* the run as it was; NULL for a new one */
    int64_t per_epoch;          /* batches */
    sw_progress at;
    sw_text bytes; /* of a checkpoint; kept for the next */
    sw_train_progress shown;
    uint64_t begun_ns, kept_ns; /* when the run (of this process) and the last checkpoint were */
    uint64_t rate_ns;           /* where the rate's window begins */
    int64_t rate_samples, run_samples;
    int64_t run_steps; /* of this process */
} sw_trainer;

/* open.c: recipe, data, plans and the run's row. */
sw_status sw_trainer_open(sw_trainer *trainer);
void sw_trainer_close(sw_trainer *trainer);

/* loop.c: the steps that are left. SW_CANCELLED leaves a checkpoint behind. */
sw_status sw_trainer_loop(sw_trainer *trainer);
void sw_trainer_tell(sw_trainer *trainer, sw_train_event event);

/* finish.c: best weights, their hash, the one look at the test set, registration. */
sw_status sw_trainer_finish(sw_trainer *trainer);

/* The checkpoint `slot` of a run into the stepper's states. */
sw_status sw_trainer_load(sw_trainer *trainer, const sw_run_info *run, const char *slot, sw_progress *progress);

#endif
