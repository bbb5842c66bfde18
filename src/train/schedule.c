/* schedule.c: nothing is kept between steps, so a resumed run cannot drift. */
#include "train/schedule.h"

#include <math.h>

double sw_schedule_lr(const sw_train_settings *s, int64_t step, int64_t per_epoch)
{
    double all = (double)s->epochs * (double)per_epoch, warm = s->warmup * (double)per_epoch, at = (double)step;
    if (at < warm)
        return s->lr * (at + 1 < warm ? (at + 1) / warm : 1);
    switch (s->schedule) {
    case SW_SCHEDULE_CONSTANT:
        break;
    case SW_SCHEDULE_STEP:
        return s->lr * pow(s->decay_factor, floor(at / (double)per_epoch / s->decay_every));
    case SW_SCHEDULE_COSINE: {
        double t = all > warm ? (at - warm) / (all - warm) : 1;
        return s->lr * (s->lr_end + (1 - s->lr_end) * 0.5 * (1 + cos(M_PI * (t < 1 ? t : 1))));
    }
    }
    return s->lr;
}
