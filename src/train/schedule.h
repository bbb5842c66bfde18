/* train/schedule.h: the learning rate as a pure function of the step. Uses: nothing but the settings. */
#ifndef SW_TRAIN_SCHEDULE_H
#define SW_TRAIN_SCHEDULE_H

#include "train/recipe.h"

/* The rate of step `step` (from 0) when an epoch has `per_epoch` steps.
 *
 * Over the first warmup * per_epoch steps it rises linearly, reaching lr at their end (Goyal et al. 2017). Behind that:
 *   constant  lr
 *   step      lr * decay_factor ^ floor(epoch / decay_every)
 *   cosine    lr * (lr_end + (1 - lr_end) * (1 + cos(pi * t)) / 2), t from 0 to 1 over what is left of the run
 *             (Loshchilov & Hutter 2017, without restarts) */
double sw_schedule_lr(const sw_train_settings *settings, int64_t step, int64_t per_epoch);

#endif
