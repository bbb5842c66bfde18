/* What model.h promises of sw_states_write and sw_states_read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "slipway/model.h"
#include "slipway/ops.h"

static sw_context *ctx;
static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/slipway-states-XXXXXX");
    return mkdtemp(folder) && (ctx = sw_context_new(NULL)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    rmdir(folder);
    sw_context_free(ctx);
    return 0;
}

static sw_graph *graph_of(sw_state **w, sw_state **mean, int64_t size, double value)
{
    sw_graph *g = sw_graph_new(ctx, 0);
    *w = sw_param(ctx, "w", SW_F32, SW_DIMS(size, 2), sw_init_constant(value));
    *mean = sw_state_new(ctx, "mean", SW_F64, SW_DIMS(2), sw_init_constant(value * 2), false);
    sw_read(g, *w);
    sw_read(g, *mean);
    return g;
}

static void test_states_go_out_and_come_back_in_every_form(void **state)
{
    (void)state;
    static const char *const endings[] = {"safetensors", "npz", "json"};
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/p.%s", folder, endings[i]);
        sw_state *w, *mean, *w2, *mean2, *w3, *mean3;
        sw_graph *one = graph_of(&w, &mean, 3, 1.25), *two = graph_of(&w2, &mean2, 3, 0),
                 *other = graph_of(&w3, &mean3, 4, 0);
        assert_int_equal(sw_states_write(one, false, path), SW_OK);
        assert_int_equal(sw_states_read(two, false, path), SW_OK);
        assert_true(sw_tensor_get(sw_state_tensor(w2), 5) == 1.25 && sw_tensor_get(sw_state_tensor(mean2), 1) == 2.5);
        /* Nothing changes when anything does not fit. */
        assert_int_equal(sw_states_read(other, false, path), SW_SHAPE);
        assert_non_null(strstr(sw_error_text(), "'w' is f32[3, 2], needs f32[4, 2]"));
        assert_true(sw_tensor_get(sw_state_tensor(mean3), 0) == 0);
        assert_int_equal(sw_states_read(two, true, path), SW_INVALID);
        assert_non_null(strstr(sw_error_text(), "'mean'"));
        assert_int_equal(sw_states_write(one, true, path), SW_OK);
        assert_int_equal(sw_states_read(two, true, path), SW_OK);
        assert_int_equal(sw_states_read(two, false, path), SW_NOT_FOUND);
        sw_graph_free(one);
        sw_graph_free(two);
        sw_graph_free(other);
        unlink(path);
    }
}

static void test_an_unknown_ending_is_refused(void **state)
{
    (void)state;
    sw_graph *g = sw_graph_new(ctx, 0);
    assert_int_equal(sw_states_write(g, false, "weights.pt"), SW_INVALID);
    assert_int_equal(sw_states_read(g, false, "weights"), SW_INVALID);
    assert_int_equal(sw_states_read(g, false, "/nonexistent.npz"), SW_NOT_FOUND);
    sw_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states_go_out_and_come_back_in_every_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_ending_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
