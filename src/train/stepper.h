/* train/stepper.h: the two plans of a run: one training step, one evaluation step. Both are made from one graph: the
 * evaluation plan is compiled before the backward pass is appended. Uses: network.h, plan.h. */
#ifndef SW_TRAIN_STEPPER_H
#define SW_TRAIN_STEPPER_H

#include "slipway/plan.h"
#include "train/network.h"

typedef struct sw_stepper {
    sw_context *ctx;
    sw_network *network;
    sw_graph *graph; /* its states are what a checkpoint holds */
    sw_state *key;   /* {seed, step}, for dropout */
    sw_plan *step, *eval;
    sw_tensor *lr;             /* f32 scalar, fed to each step */
    sw_tensor *loss, *correct; /* f32 scalars, written by each step: mean loss, samples answered rightly */
} sw_stepper;

sw_status sw_stepper_new(sw_network *network, int threads, sw_stepper **stepper);
void sw_stepper_free(sw_stepper *stepper); /* NULL is allowed; the network stays */

/* One step on a batch: forward, backward, update. States are unchanged on any failure. */
sw_status sw_stepper_train(sw_stepper *stepper, const sw_batch *batch, double lr, double *loss, double *correct,
                           sw_cancel *cancel);
/* Loss and right answers of a batch, nothing learned. */
sw_status sw_stepper_eval(sw_stepper *stepper, const sw_batch *batch, double *loss, double *correct, sw_cancel *cancel);

/* Over a whole split, in file order. `samples` is 0, and the others NaN, for an empty split. */
typedef struct sw_score {
    int64_t samples;
    double loss, accuracy; /* accuracy: NaN for a regression */
} sw_score;
sw_status sw_stepper_score(sw_stepper *stepper, sw_dataset *data, sw_data_split split, int64_t batch, sw_score *score,
                           sw_cancel *cancel);

#endif
