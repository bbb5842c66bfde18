/* pass_training.c: one graph, two phases: the plan's phase is a constant.
 *
 * sw_training(g) becomes true or false as the options say. Rows that ask for it then turn into what they are in that
 * phase: outside training a dropout gives what it was given. What remains (a normalisation by the batch or by the
 * running statistics) the row's own kernels tell from the constant. */
#include "compile/pass.h"

/* Outside training a dropout is x, and a batch normalisation keeps the statistics that it was given. */
static void simplify(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        if (sw_node_is(node, "Dropout") && sw_value_is_all(sw_node_input(node, 2), 0)) {
            sw_pass_note(c, "%s (%s) is %s", sw_node_name(node), node->op->name, sw_node_name(node->inputs[0]->node));
            sw_pass_replace(node, node->inputs[0]);
        } else if (sw_node_is(node, "BatchNorm") && sw_value_is_all(sw_node_input(node, 5), 0)) {
            sw_pass_note(c, "%s (%s) keeps its statistics", sw_node_name(node), node->op->name);
            for (int i = 1; i <= 2 && i < node->outputs_count; i++)
                if (node->outputs[i] != sw_none)
                    sw_value_replace(node->outputs[i], node->inputs[2 + i]);
        }
    }
}

static sw_status fold(sw_compiling *c)
{
    sw_value *training = sw_graph_training_value(c->g);
    if (!training || !training->uses)
        return SW_OK;
    const uint8_t now = c->options->training;
    sw_tensor *tensor = sw_tensor_from(c->ctx, SW_BOOL, SW_SCALAR, &now);
    if (!tensor)
        return sw_alloc_status();
    sw_value *constant = sw_pass_constant(c, training->node, tensor);
    sw_tensor_release(tensor);
    if (!constant)
        return sw_graph_status(c->g);
    sw_value_replace(training, constant);
    sw_pass_note(c, "the plan is for %s", now ? "training" : "serving");
    return SW_OK;
}

static sw_status run(sw_compiling *c)
{
    SW_TRY(fold(c));
    simplify(c);
    return SW_OK;
}

const sw_pass sw_pass_training = {.name = "training", .doc = "folds the phase", .run = run};
