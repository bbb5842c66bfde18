/* loop.c: steps, epochs, checkpoints.
 *
 * The loop holds nothing that is not in sw_progress or in a state, so it may end after any step and begin again there.
 * An epoch whose batches are all done but which is not yet validated is a position of its own (batch == batches). */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "train/schedule.h"
#include "train/trainer.h"

#define STEPS_PER_POINT 50 /* of the series of single steps' losses */

static bool classifies(const sw_trainer *t) { return t->network->classifies; }

static bool ended(const sw_trainer *t)
{
    const sw_train_settings *s = &t->recipe->train;
    return t->at.next.epoch >= s->epochs || (s->patience > 0 && t->at.stale >= s->patience);
}

/* Telling */

static double mean(double sum, int64_t count) { return count > 0 ? sum / (double)count : NAN; }

/* Over a window of half a second at least, so that the figure can be read. */
static void take_rate(sw_trainer *t)
{
    uint64_t now = sw_now_ns();
    t->shown.seconds = (double)(now - t->begun_ns) * 1e-9;
    double window = (double)(now - t->rate_ns) * 1e-9;
    if (window < 0.5)
        return;
    t->shown.samples_per_second = (double)t->rate_samples / window;
    t->rate_ns = now;
    t->rate_samples = 0;
}

static double seconds_left(const sw_trainer *t)
{
    int64_t all = t->recipe->train.epochs * t->per_epoch, done = t->at.next.epoch * t->per_epoch + t->at.next.batch;
    double each = t->shown.seconds / (double)(t->run_samples > 0 ? t->run_samples : 1) * (double)t->recipe->train.batch;
    return t->run_samples > 0 ? (double)(all - done) * each : NAN;
}

void sw_trainer_tell(sw_trainer *t, sw_train_event event)
{
    sw_train_progress *p = &t->shown;
    p->event = event;
    p->step = t->at.step;
    p->best = t->at.best;
    if (event == SW_TRAIN_STEP) {
        p->epoch = t->at.next.epoch;
        p->batch = t->at.next.batch;
        p->loss = mean(t->at.loss_sum, t->at.seen);
        p->accuracy = classifies(t) ? mean(t->at.correct, t->at.seen) : NAN;
        p->seconds_left = seconds_left(t);
    }
    if (t->options->progress != NULL)
        t->options->progress(t->options->user, p);
}

/* Keeping */

static sw_status keep(sw_trainer *t, const char *slot, double metric)
{
    SW_TRY(sw_checkpoint_write(t->stepper->graph, &t->at, &t->bytes));
    SW_TRY(sw_record_checkpoint(t->record, slot, t->bytes.data, t->bytes.size, t->at.step, metric));
    t->kept_ns = sw_now_ns();
    return SW_OK;
}

static bool keep_is_due(const sw_trainer *t)
{
    const sw_train_options *o = t->options;
    double seconds = o->checkpoint_seconds > 0 ? o->checkpoint_seconds : 30;
    return (o->checkpoint_steps > 0 && t->at.step % o->checkpoint_steps == 0) ||
           (double)(sw_now_ns() - t->kept_ns) * 1e-9 > seconds;
}

/* A step */

static sw_status check_finite(const sw_trainer *t, double loss, double lr)
{
    if (isfinite(loss))
        return SW_OK;
    return sw_fail(
        SW_INVALID,
        "step %lld (epoch %lld, lr %g): the loss became %s; a lower lr, a longer warmup or cleaner data would help",
        (long long)t->at.step, (long long)t->at.next.epoch + 1, lr, isnan(loss) ? "NaN" : "infinite");
}

/* A timeline begins when the first steps have warmed everything. */
enum { TRACE_FIRST = 3, TRACE_STEPS = 20 };

/* Writes a timeline that is still being taken. */
static sw_status end_trace(sw_trainer *t)
{
    bool on = t->options->trace != NULL && t->run_steps >= TRACE_FIRST && t->run_steps < TRACE_FIRST + TRACE_STEPS;
    return on ? sw_plan_trace_write(t->stepper->step, t->options->trace) : SW_OK;
}

static sw_status trace(sw_trainer *t)
{
    if (t->options->trace != NULL && t->run_steps == TRACE_FIRST + TRACE_STEPS - 1)
        SW_TRY(end_trace(t));
    t->run_steps++;
    return t->options->trace != NULL && t->run_steps == TRACE_FIRST ? sw_plan_trace_begin(t->stepper->step) : SW_OK;
}

static sw_status one_step(sw_trainer *t)
{
    sw_batch batch;
    double loss, correct, lr = sw_schedule_lr(&t->recipe->train, t->at.step, t->per_epoch);
    SW_TRY(sw_loader_next(t->loader, &batch, t->options->cancel));
    SW_TRY(sw_stepper_train(t->stepper, &batch, lr, &loss, &correct, t->options->cancel));
    SW_TRY(check_finite(t, loss, lr));
    SW_TRY(trace(t));
    t->at.step++;
    t->at.next = (sw_cursor){batch.epoch, batch.index + 1};
    t->at.loss_sum += loss * (double)batch.count;
    t->at.correct += correct;
    t->at.seen += batch.count;
    t->run_samples += batch.count;
    t->rate_samples += batch.count;
    t->shown.lr = lr;
    take_rate(t);
    sw_trainer_tell(t, SW_TRAIN_STEP);
    if (t->at.step % STEPS_PER_POINT == 0)
        SW_TRY(sw_record_metric(t->record, "step_loss", t->at.step, loss));
    return keep_is_due(t) && t->at.next.batch < t->per_epoch ? keep(t, "last", t->at.best) : SW_OK;
}

/* An epoch's end */

static sw_status record_epoch(sw_trainer *t, const sw_score *score, bool better)
{
    const struct point {
        const char *name;
        double value;
    } points[] = {
        {"train_loss", t->shown.loss},
        {"train_accuracy", t->shown.accuracy},
        {"validation_loss", score->loss},
        {"validation_accuracy", score->accuracy},
        {"lr", t->shown.lr},
    };
    for (int i = 0; i < (int)(sizeof points / sizeof *points); i++)
        if (isfinite(points[i].value))
            SW_TRY(sw_record_metric(t->record, points[i].name, t->at.step, points[i].value));
    char line[256];
    snprintf(line, sizeof line,
             "epoch %lld: loss %.4f, accuracy %.4f, validation loss %.4f, validation accuracy %.4f%s\n",
             (long long)t->at.next.epoch, t->shown.loss, t->shown.accuracy, score->loss, score->accuracy,
             better ? " (best)" : "");
    return sw_record_log(t->record, line);
}

/* By validation accuracy, or by loss where there is none; without a validation split the newest is the best. */
static bool is_better(const sw_trainer *t, const sw_score *score)
{
    if (score->samples == 0 || t->at.best_epoch < 0)
        return true;
    return classifies(t) ? score->accuracy > t->at.best : score->loss < t->at.best;
}

static sw_status end_epoch(sw_trainer *t)
{
    sw_score score;
    SW_TRY(sw_stepper_score(t->stepper, t->data, SW_SPLIT_VALIDATION, SW_EVAL_BATCH, &score, t->options->cancel));
    t->shown.epoch = t->at.next.epoch;
    t->shown.loss = mean(t->at.loss_sum, t->at.seen);
    t->shown.accuracy = classifies(t) ? mean(t->at.correct, t->at.seen) : NAN;
    t->shown.validation_loss = score.loss;
    t->shown.validation_accuracy = score.accuracy;
    bool better = is_better(t, &score);
    t->at.next = (sw_cursor){t->at.next.epoch + 1, 0};
    t->at.loss_sum = t->at.correct = 0;
    t->at.seen = 0;
    t->at.stale = better ? 0 : t->at.stale + 1;
    if (better) {
        t->at.best = classifies(t) ? score.accuracy : score.loss;
        t->at.best_epoch = t->at.next.epoch - 1;
    }
    SW_TRY(record_epoch(t, &score, better));
    if (better)
        SW_TRY(keep(t, "best", t->at.best));
    SW_TRY(keep(t, "last", t->at.best));
    sw_trainer_tell(t, SW_TRAIN_EPOCH);
    return SW_OK;
}

sw_status sw_trainer_loop(sw_trainer *t)
{
    sw_status status = SW_OK;
    while (status == SW_OK && !ended(t))
        status = t->at.next.batch == t->per_epoch ? end_epoch(t) : one_step(t);
    if (status == SW_OK)
        status = end_trace(t);
    if (status != SW_CANCELLED && status != SW_DEADLINE)
        return status;
    SW_TRY(keep(t, "last", t->at.best));
    return sw_fail(status, "stopped at epoch %lld, batch %lld", (long long)t->at.next.epoch + 1,
                   (long long)t->at.next.batch);
}
