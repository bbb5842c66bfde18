/* train.c: a run from beginning to end, and what becomes of its row in the store. */
#include <math.h>
#include <string.h>

#include "train/trainer.h"

/* The row says how the run ended; the failure that ended it stays the one that is reported. */
static sw_status end_record(sw_trainer *t, sw_status status)
{
    if (t->record == NULL)
        return status;
    if (status == SW_OK)
        return sw_record_end(t->record, SW_RUN_FINISHED, NULL);
    sw_error error = sw_error_take(status);
    bool stopped = status == SW_CANCELLED || status == SW_DEADLINE;
    sw_record_end(t->record, stopped ? SW_RUN_STOPPED : SW_RUN_FAILED, error.text);
    return sw_error_raise(&error);
}

sw_status sw_train(sw_context *ctx, const sw_train_options *options, sw_train_result *result)
{
    *result =
        (sw_train_result){.validation_accuracy = NAN, .validation_loss = NAN, .test_accuracy = NAN, .test_loss = NAN};
    sw_trainer t = {.ctx = ctx, .options = options, .result = result};
    sw_status status = sw_trainer_open(&t);
    if (status == SW_OK)
        status = sw_trainer_loop(&t);
    if (status == SW_OK)
        status = sw_trainer_finish(&t);
    result->steps = t.at.step;
    status = end_record(&t, status);
    sw_trainer_close(&t);
    return status;
}
