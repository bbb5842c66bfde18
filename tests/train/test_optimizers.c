/* Optimisers against PyTorch 2.15 (torch.optim, float64): the same five gradients, the same five parameters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "slipway/ops.h"
#include "slipway/plan.h"

static const float gradients[5][3] = {
    {0.5f, -1, 2}, {0.25f, 0.75f, -3}, {-1.5f, 0.1f, 0.01f}, {0, -0.4f, 5}, {1, 1, 1}};

typedef struct trial {
    sw_context *ctx;
    sw_graph *g;
    sw_state *p;
    sw_plan *plan;
} trial;

static sw_status fill(sw_tensor *t, uint32_t stream, uint64_t a, double b)
{
    (void)stream, (void)a, (void)b;
    float *p = sw_tensor_data(t);
    p[0] = 1, p[1] = -2, p[2] = 0.5f;
    return SW_OK;
}

/* loss = sum(p * c), so that the gradient of p is c, which is fed. */
static trial begin(sw_value **lr)
{
    trial t = {.ctx = sw_context_new(NULL)};
    assert_non_null(t.ctx);
    t.g = sw_graph_new(t.ctx, 0);
    t.p = sw_param(t.ctx, "p", SW_F32, SW_DIMS(3), (sw_init){.fill = fill});
    sw_value *c = sw_input_declare(t.g, "c", SW_TYPE(SW_F32, 3));
    *lr = sw_input_declare(t.g, "lr", (sw_type){.kind = SW_TENSOR, .dtype = SW_F32});
    sw_value *loss = sw_reduce_sum(t.g, sw_mul(t.g, sw_read(t.g, t.p), c), 0, NULL, false);
    assert_int_equal(sw_output(t.g, "loss", loss), SW_OK);
    assert_int_equal(sw_backward(t.g, loss), SW_OK);
    return t;
}

static void run_and_compare(trial *t, sw_status built, const double expected[5][3])
{
    if (built != SW_OK || sw_compile(t->g, &(sw_compile_options){.size = sizeof(sw_compile_options), .training = true},
                                     &t->plan) != SW_OK)
        fail_msg("%s", sw_error_text());
    float rate = 0.1f;
    sw_tensor *lr = sw_tensor_from(t->ctx, SW_F32, SW_SCALAR, &rate);
    for (int step = 0; step < 5; step++) {
        sw_tensor *c = sw_tensor_from(t->ctx, SW_F32, SW_DIMS(3), gradients[step]), *loss = NULL;
        if (sw_plan_run(t->plan, (sw_tensor *[]){c, lr}, &loss, NULL) != SW_OK)
            fail_msg("%s", sw_error_text());
        for (int i = 0; i < 3; i++) {
            double got = sw_tensor_get(sw_state_tensor(t->p), i);
            if (fabs(got - expected[step][i]) > 2e-6)
                fail_msg("step %d, p[%d]: %.9g, PyTorch has %.9g", step, i, got, expected[step][i]);
        }
        sw_tensor_release(c);
        sw_tensor_release(loss);
    }
    sw_tensor_release(lr);
    sw_plan_free(t->plan);
    sw_graph_free(t->g);
    sw_state_release(t->p);
    sw_context_free(t->ctx);
}

static void test_sgd(void **state)
{
    (void)state;
    sw_value *lr;
    trial t = begin(&lr);
    run_and_compare(&t, sw_sgd_step(t.g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr_value = lr}),
                    (const double[5][3]){{0.95, -1.9, 0.3},
                                         {0.925, -1.975, 0.6},
                                         {1.075, -1.985, 0.599},
                                         {1.075, -1.945, 0.099},
                                         {0.975, -2.045, -0.001}});
}

static void test_momentum(void **state)
{
    (void)state;
    sw_value *lr;
    trial t = begin(&lr);
    run_and_compare(&t,
                    sw_sgd_step(t.g, (sw_sgd_options){.size = sizeof(sw_sgd_options), .lr_value = lr, .momentum = 0.9}),
                    (const double[5][3]){{0.95, -1.9, 0.3},
                                         {0.88, -1.885, 0.42},
                                         {0.967, -1.8815, 0.527},
                                         {1.0453, -1.83835, 0.1233},
                                         {1.01577, -1.899515, -0.34003}});
}

static void test_nesterov_with_weight_decay(void **state)
{
    (void)state;
    sw_value *lr;
    trial t = begin(&lr);
    run_and_compare(&t,
                    sw_sgd_step(t.g, (sw_sgd_options){.size = sizeof(sw_sgd_options),
                                                      .lr_value = lr,
                                                      .momentum = 0.9,
                                                      .nesterov = true,
                                                      .weight_decay = 0.01}),
                    (const double[5][3]){{0.9031, -1.8062, 0.11905},
                                         {0.81257411, -1.86264822, 0.526418805},
                                         {1.03786971, -1.86303817, 0.620257679},
                                         {1.10439511, -1.77652573, -0.245092048},
                                         {0.973103705, -1.92296587, -0.762882894}});
}

static void test_adam(void **state)
{
    (void)state;
    sw_value *lr;
    trial t = begin(&lr);
    run_and_compare(&t, sw_adam_step(t.g, (sw_adam_options){.size = sizeof(sw_adam_options), .lr_value = lr}),
                    (const double[5][3]){{0.900000002, -1.9, 0.400000001},
                                         {0.80678204, -1.8910675, 0.424770182},
                                         {0.841504391, -1.88928306, 0.44374024},
                                         {0.869946827, -1.87020938, 0.405667877},
                                         {0.861405627, -1.89041514, 0.365161592}});
}

static void test_adam_with_weight_decay_and_other_betas(void **state)
{
    (void)state;
    sw_value *lr;
    trial t = begin(&lr);
    run_and_compare(&t,
                    sw_adam_step(t.g, (sw_adam_options){.size = sizeof(sw_adam_options),
                                                        .lr_value = lr,
                                                        .beta1 = 0.8,
                                                        .beta2 = 0.99,
                                                        .epsilon = 1e-6,
                                                        .weight_decay = 0.01}),
                    (const double[5][3]){{0.900000196, -1.9000001, 0.40000005},
                                         {0.808247694, -1.89467406, 0.430308261},
                                         {0.850658569, -1.89541334, 0.451988129},
                                         {0.882762307, -1.87443875, 0.406837326},
                                         {0.86862917, -1.90085981, 0.361079824}});
}

static void test_adamw_decays_the_weights_themselves(void **state)
{
    (void)state;
    sw_value *lr;
    trial t = begin(&lr);
    run_and_compare(&t,
                    sw_adam_step(t.g, (sw_adam_options){.size = sizeof(sw_adam_options),
                                                        .lr_value = lr,
                                                        .weight_decay = 0.05,
                                                        .decoupled = true}),
                    (const double[5][3]){{0.895000002, -1.89, 0.397500001},
                                         {0.79730704, -1.8716175, 0.420282682},
                                         {0.828042856, -1.86047498, 0.437151327},
                                         {0.852345078, -1.83209891, 0.396893207},
                                         {0.839542152, -1.84314418, 0.354402456}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_momentum),
        cmocka_unit_test(test_nesterov_with_weight_decay),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_adam_with_weight_decay_and_other_betas),
        cmocka_unit_test(test_adamw_decays_the_weights_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
