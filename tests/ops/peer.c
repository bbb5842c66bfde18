/* peer.c: our half of the comparison with PyTorch (peer.py has the other).
 *
 *   peer DIR    reads DIR/cases, a line a word, and writes what each case gives
 *
 * The words of a case: `op NAME`, `input FILE` or `input -` for none, `int|float|text NAME VALUE`, `ints NAME VALUE…`,
 * `outputs N`, then `run STEM`: outputs go to STEM.y0.npy …, and gradients of the sum of outputs times STEM.w0.npy …
 * (where there are such) to STEM.dx0.npy … */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "graph/op.h"
#include "slipway/ops.h"

struct peer_case {
    char op[64];
    int inputs_count, attrs_count, outputs_count;
    sw_tensor *inputs[SW_MAX_PORTS]; /* NULL: absent */
    sw_attr attrs[SW_MAX_ATTRS];
    char names[SW_MAX_ATTRS][32], texts[SW_MAX_ATTRS][64];
    int64_t ints[SW_MAX_ATTRS][16];
};

static const char *path_in(const char *folder, const char *stem, const char *kind, int index)
{
    static char path[4096];
    snprintf(path, sizeof path, kind ? "%s/%s.%s%d.npy" : "%s/%s", folder, stem, kind, index);
    return path;
}

static void read_ints(struct peer_case *c, const char *rest)
{
    int n = c->attrs_count++;
    int count = 0, used;
    long long value;
    sscanf(rest, "%31s%n", c->names[n], &used);
    for (rest += used; count < 16 && sscanf(rest, "%lld%n", &value, &used) == 1; rest += used)
        c->ints[n][count++] = value;
    c->attrs[n] = SW_ATTR_IS(c->names[n], count, c->ints[n]);
}

static void read_attr(struct peer_case *c, const char *kind, const char *rest)
{
    int n = c->attrs_count++;
    sscanf(rest, "%31s %63s", c->names[n], c->texts[n]);
    if (strcmp(kind, "int") == 0)
        c->attrs[n] = SW_ATTR_I(c->names[n], atoll(c->texts[n]));
    else if (strcmp(kind, "float") == 0)
        c->attrs[n] = SW_ATTR_F(c->names[n], atof(c->texts[n]));
    else
        c->attrs[n] = SW_ATTR_S(c->names[n], c->texts[n]);
}

/* sum over outputs of output * weight, where there are weights. */
static sw_value *weighted(sw_graph *g, const char *folder, const char *stem, sw_value **outputs, int count)
{
    sw_value *sum = NULL;
    for (int i = 0; i < count; i++) {
        sw_tensor *w;
        if (access(path_in(folder, stem, "w", i), R_OK) != 0 ||
            sw_npy_read(sw_graph_context(g), path_in(folder, stem, "w", i), &w) != SW_OK)
            continue;
        sw_value *part = sw_reduce_sum(g, sw_mul(g, outputs[i], sw_input(g, w)), 0, NULL, false);
        sum = sum ? sw_add(g, sum, part) : part;
        sw_tensor_release(w);
    }
    return sum;
}

static sw_status write_gradients(sw_graph *g, const struct peer_case *c, const char *folder, const char *stem,
                                 sw_value *loss, sw_value **in)
{
    sw_value *wrt[SW_MAX_PORTS], *gradients[SW_MAX_PORTS];
    int count = 0, input_of[SW_MAX_PORTS];
    for (int i = 0; i < c->inputs_count; i++)
        if (c->inputs[i] && sw_dtype_is_float(sw_tensor_dtype(c->inputs[i]))) {
            input_of[count] = i;
            wrt[count++] = in[i];
        }
    SW_TRY(sw_grad(g, loss, SW_NONE, wrt, count, gradients));
    for (int k = 0; k < count; k++)
        if (gradients[k] != SW_NONE)
            SW_TRY(sw_npy_write(sw_value_tensor(gradients[k]), path_in(folder, stem, "dx", input_of[k])));
    return SW_OK;
}

static sw_status run(sw_graph *g, const struct peer_case *c, const char *folder, const char *stem)
{
    sw_value *in[SW_MAX_PORTS], *out[SW_MAX_PORTS] = {0};
    for (int i = 0; i < c->inputs_count; i++) {
        bool integers = c->inputs[i] && sw_tensor_dtype(c->inputs[i]) == SW_I64;
        in[i] = !c->inputs[i] ? SW_NONE : integers ? sw_constant(g, c->inputs[i]) : sw_input(g, c->inputs[i]);
    }
    sw_node_add(g, c->op, in, c->inputs_count, c->attrs, c->attrs_count, out, c->outputs_count);
    for (int i = 0; sw_ok(g) && i < c->outputs_count; i++)
        SW_TRY(sw_npy_write(sw_value_tensor(out[i]), path_in(folder, stem, "y", i)));
    sw_value *loss = weighted(g, folder, stem, out, c->outputs_count);
    return loss ? write_gradients(g, c, folder, stem, loss, in) : sw_graph_status(g);
}

static void reset(struct peer_case *c)
{
    for (int i = 0; i < c->inputs_count; i++)
        sw_tensor_release(c->inputs[i]);
    *c = (struct peer_case){.outputs_count = 1};
}

static sw_status read_line(sw_context *ctx, struct peer_case *c, const char *folder, char *line)
{
    char word[64] = "";
    int used = 0;
    sscanf(line, "%63s %n", word, &used);
    char *rest = line + used;
    rest[strcspn(rest, "\n")] = '\0';
    if (strcmp(word, "op") == 0) {
        reset(c);
        snprintf(c->op, sizeof c->op, "%s", rest);
    } else if (strcmp(word, "input") == 0) {
        sw_tensor **to = &c->inputs[c->inputs_count++];
        return strcmp(rest, "-") == 0 ? SW_OK : sw_npy_read(ctx, path_in(folder, rest, NULL, 0), to);
    } else if (strcmp(word, "outputs") == 0) {
        c->outputs_count = atoi(rest);
    } else if (strcmp(word, "ints") == 0) {
        read_ints(c, rest);
    } else if (strcmp(word, "run") == 0) {
        sw_graph *g = sw_graph_new(ctx, SW_EAGER);
        sw_status status = g ? run(g, c, folder, rest) : sw_alloc_status();
        if (status != SW_OK || !sw_ok(g))
            fprintf(stderr, "peer: %s: %s\n", rest, sw_ok(g) ? sw_error_text() : sw_graph_error(g));
        sw_graph_free(g);
    } else {
        read_attr(c, word, rest);
    }
    return SW_OK;
}

int main(int argc, char **argv)
{
    sw_context *ctx = sw_context_new(&(sw_context_options){.size = sizeof(sw_context_options), .backend = "ref"});
    FILE *cases = argc == 2 && ctx ? fopen(path_in(argv[1], "cases", NULL, 0), "r") : NULL;
    if (!cases)
        return 2;
    struct peer_case c = {0};
    char line[1024];
    while (fgets(line, sizeof line, cases))
        if (read_line(ctx, &c, argv[1], line) != SW_OK) {
            fprintf(stderr, "peer: %s\n", sw_error_text());
            return 1;
        }
    reset(&c);
    fclose(cases);
    sw_context_free(ctx);
    return 0;
}
