/* pass_activation.c: an activation that alone reads a convolution or a product happens where that is stored. */
#include "compile/fuse.h"
#include "ops/activation.h"

static sw_status run(sw_compiling *c)
{
    for (sw_node *node = sw_graph_first(c->g), *next; node; node = next) {
        next = node->next;
        sw_fusing f;
        if (!sw_fusing_of(node, &f))
            continue;
        sw_node *user = sw_value_only_user(node->outputs[0]);
        const char *name = user ? sw_activation_of(user, &f.alpha, &f.beta) : NULL;
        if (!name || !sw_types_equal(c->g, &user->outputs[0]->type, &node->outputs[0]->type) ||
            !sw_fusing_allowed(c, &f, name))
            continue;
        f.activation = name;
        if (next == user)
            next = user->next;
        SW_TRY(sw_fuse(c, node, user, &f));
    }
    return SW_OK;
}

const sw_pass sw_pass_activation = {
    .name = "activation", .doc = "activates inside a convolution or a product", .rounds = true, .run = run};
