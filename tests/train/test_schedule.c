/* Schedules against their formulas, written out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/schedule.h"

static void near(double a, double b) { assert_true(fabs(a - b) < 1e-12); }

static void test_constant(void **state)
{
    (void)state;
    sw_train_settings s = {.lr = 0.1, .epochs = 3};
    near(sw_schedule_lr(&s, 0, 10), 0.1);
    near(sw_schedule_lr(&s, 29, 10), 0.1);
}

static void test_warmup_rises_to_the_full_rate(void **state)
{
    (void)state;
    sw_train_settings s = {.lr = 0.1, .epochs = 3, .warmup = 0.5};
    near(sw_schedule_lr(&s, 0, 10), 0.02);
    near(sw_schedule_lr(&s, 3, 10), 0.08);
    near(sw_schedule_lr(&s, 4, 10), 0.1);
    near(sw_schedule_lr(&s, 5, 10), 0.1);
}

static void test_steps_fall_by_their_factor(void **state)
{
    (void)state;
    sw_train_settings s = {.lr = 1, .epochs = 9, .schedule = SW_SCHEDULE_STEP, .decay_every = 3, .decay_factor = 0.1};
    near(sw_schedule_lr(&s, 0, 10), 1);
    near(sw_schedule_lr(&s, 29, 10), 1);
    near(sw_schedule_lr(&s, 30, 10), 0.1);
    near(sw_schedule_lr(&s, 89, 10), 0.01);
}

static void test_cosine_goes_from_full_to_its_end(void **state)
{
    (void)state;
    sw_train_settings s = {.lr = 2, .epochs = 11, .warmup = 1, .schedule = SW_SCHEDULE_COSINE, .lr_end = 0.1};
    near(sw_schedule_lr(&s, 10, 10), 2);
    near(sw_schedule_lr(&s, 60, 10), 2 * (0.1 + 0.9 * 0.5)); /* half way */
    near(sw_schedule_lr(&s, 35, 10), 2 * (0.1 + 0.9 * (1 + sqrt(0.5)) / 2));
    near(sw_schedule_lr(&s, 110, 10), 0.2);
    near(sw_schedule_lr(&s, 500, 10), 0.2); /* and stays there */
}

static void test_warmup_as_long_as_the_run(void **state)
{
    (void)state;
    sw_train_settings s = {.lr = 1, .epochs = 1, .warmup = 2, .schedule = SW_SCHEDULE_COSINE};
    near(sw_schedule_lr(&s, 9, 10), 0.5);
    assert_true(isfinite(sw_schedule_lr(&s, 30, 10)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_warmup_rises_to_the_full_rate),
        cmocka_unit_test(test_steps_fall_by_their_factor),
        cmocka_unit_test(test_cosine_goes_from_full_to_its_end),
        cmocka_unit_test(test_warmup_as_long_as_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
