/* verb_inspect.c: what a model is before it runs: ports, ops, parameters, arithmetic, memory.
 *
 * Everything is computed from the graph and the plan; nothing is run. Sizes that the model leaves open are symbols;
 * they are 1 unless --dim says otherwise, and so are the numbers that follow from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "cli/explain.h"
#include "cli/verbs.h"
#include "graph/dim.h"
#include "slipway/model.h"
#include "slipway/plan.h"

typedef struct op_count {
    const char *name;
    int count;
    double flops;
} op_count;

typedef struct facts {
    sw_artifact *artifact;
    sw_graph *g;
    const char *path;
    size_t file_bytes;
    int64_t *symbols; /* a size for each symbol of the graph */
    op_count *ops;    /* by falling flops */
    int op_count, nodes;
    int64_t parameters; /* elements of floating constants */
    uint64_t parameter_bytes;
    bool planned;
    const char *no_plan; /* why not */
    double flops;
    uint64_t run_bytes, held_bytes;
} facts;

/* ---- finding the model ---- */

/* A file when there is one or when it looks like one, else a name in the store. */
static bool is_stored(const char *target)
{
    size_t length = strlen(target);
    bool looks = strchr(target, '/') || (length > 5 && strcmp(target + length - 5, ".onnx") == 0);
    return !looks && !sw_path_exists(target);
}

static sw_status find_file(cli *c, const char *target, const char **path)
{
    sw_store *store;
    const sw_model_version *version;
    if (strstr(target, "://"))
        return sw_fail(SW_UNSUPPORTED, "%s: give a file or a model of the store", target);
    if (!is_stored(target)) {
        *path = target;
        return SW_OK;
    }
    SW_TRY(cli_store(c, true, &store));
    SW_TRY(sw_model_version_open(store, target, false, &version));
    const sw_model_file *file = sw_model_version_file(version, "model.onnx");
    *path = file ? cli_format(c, "%s", file->path) : NULL;
    sw_model_version_free(version);
    return *path ? SW_OK : sw_fail(SW_NOT_FOUND, "%s: this version holds no model.onnx", target);
}

/* ---- sizes ---- */

static int find_symbol(const sw_graph *g, const char *name, size_t length)
{
    for (int i = 0; i < sw_symbol_count(g); i++)
        if (strlen(sw_symbol_name(g, i)) == length && memcmp(sw_symbol_name(g, i), name, length) == 0)
            return i;
    return -1;
}

/* --dim NAME=SIZE */
static sw_status read_dims(cli *c, facts *f)
{
    const char *const *items;
    int count = cli_list(c, "dim", &items), symbols = sw_symbol_count(f->g);
    f->symbols = sw_arena_array(cli_arena(c), (size_t)symbols, sizeof *f->symbols);
    if (!f->symbols)
        return sw_alloc_status();
    for (int i = 0; i < symbols; i++)
        f->symbols[i] = 1;
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(items[i], '=');
        char *end = NULL;
        int symbol = equals ? find_symbol(f->g, items[i], (size_t)(equals - items[i])) : -1;
        long long size = equals ? strtoll(equals + 1, &end, 10) : -1;
        if (!equals || end == equals + 1 || *end || size < 0)
            return sw_fail(SW_INVALID, "--dim %s: write NAME=SIZE", items[i]);
        if (symbol < 0)
            return sw_fail(SW_INVALID, "--dim %s: the model has no dim of that name", items[i]);
        f->symbols[symbol] = size;
    }
    return SW_OK;
}

/* The type's dims with the symbols' sizes; false when data decides one. */
static bool sized(const facts *f, const sw_type *type, sw_dims *dims)
{
    *dims = (sw_dims){.rank = type->rank};
    for (int i = 0; i < type->rank; i++)
        if (type->dims[i] == SW_DIM_UNKNOWN || sw_dim_eval(f->g, type->dims[i], f->symbols, &dims->dim[i]) != SW_OK ||
            dims->dim[i] < 0)
            return false;
    return type->rank >= 0;
}

static bool view_of(const facts *f, const sw_value *value, sw_view *view)
{
    sw_dims dims;
    *view = (sw_view){0};
    if (value == SW_NONE)
        return true;
    if (!sized(f, sw_value_type(value), &dims))
        return false;
    view->dtype = sw_value_type(value)->dtype;
    view->rank = dims.rank;
    memcpy(view->dims, dims.dim, sizeof dims.dim);
    sw_view_pack_strides(view);
    return true;
}

/* ---- counting ---- */

static double flops_of(const facts *f, const sw_node *node)
{
    enum { MOST = 64 };
    sw_view inputs[MOST], outputs[MOST];
    int in = sw_node_input_count(node), out = sw_node_output_count(node);
    if (in > MOST || out > MOST)
        return 0;
    for (int i = 0; i < in; i++)
        if (!view_of(f, sw_node_input(node, i), &inputs[i]))
            return 0;
    for (int i = 0; i < out; i++)
        if (!view_of(f, sw_node_output(node, i), &outputs[i]))
            return 0;
    sw_call call = {.ctx = sw_graph_context(f->g),
                    .node = node,
                    .inputs_count = in,
                    .outputs_count = out,
                    .inputs = inputs,
                    .outputs = outputs};
    const sw_op *op = sw_node_op(node);
    return op->cost ? op->cost(&call).flops : out ? (double)sw_view_count(&outputs[0]) : 0;
}

static void count_leaf(facts *f, const sw_node *node)
{
    sw_tensor *tensor = sw_value_tensor(sw_node_output(node, 0));
    if (!tensor || !sw_dtype_is_float(sw_tensor_dtype(tensor)))
        return;
    f->parameters += sw_tensor_count(tensor);
    f->parameter_bytes += sw_tensor_bytes(tensor);
}

static void count_node(facts *f, const sw_node *node)
{
    const char *name = sw_node_op(node)->name;
    op_count *at = NULL;
    for (int i = 0; i < f->op_count && !at; i++)
        if (strcmp(f->ops[i].name, name) == 0)
            at = &f->ops[i];
    if (!at) {
        at = &f->ops[f->op_count++];
        at->name = name;
    }
    at->count++;
    at->flops += flops_of(f, node);
    f->nodes++;
}

static int by_flops(const void *a, const void *b)
{
    const op_count *x = a, *y = b;
    if (x->flops != y->flops)
        return x->flops < y->flops ? 1 : -1;
    return strcmp(x->name, y->name);
}

static sw_status count_all(cli *c, facts *f)
{
    int total = sw_graph_node_count(f->g);
    f->ops = sw_arena_array(cli_arena(c), (size_t)total, sizeof *f->ops);
    if (!f->ops)
        return sw_alloc_status();
    for (int i = 0; i < total; i++) {
        const sw_node *node = sw_graph_node(f->g, i);
        if (sw_node_op(node)->flags & SW_LEAF)
            count_leaf(f, node);
        else
            count_node(f, node);
    }
    qsort(f->ops, (size_t)f->op_count, sizeof *f->ops, by_flops);
    return SW_OK;
}

enum { MOST_INPUTS = 32 };

static sw_status input_dims(const facts *f, sw_dims *inputs)
{
    int count = sw_graph_input_count(f->g);
    for (int i = 0; i < count; i++)
        if (i >= MOST_INPUTS || !sized(f, sw_value_type(sw_graph_input(f->g, i)), &inputs[i]))
            return sw_fail(SW_UNSUPPORTED, "its inputs have dims that are not known");
    return SW_OK;
}

/* Memory and arithmetic of one run, as the planner knows them beforehand. */
static sw_status plan_run(facts *f)
{
    sw_plan *plan;
    sw_dims inputs[MOST_INPUTS];
    sw_compile_options options = {.size = sizeof options, .freeze = true};
    SW_TRY(input_dims(f, inputs));
    SW_TRY(sw_compile(f->g, &options, &plan));
    double bytes;
    sw_status status = sw_plan_arena_bytes(plan, inputs, &f->run_bytes);
    if (status == SW_OK)
        status = sw_plan_cost(plan, inputs, &f->flops, &bytes);
    f->held_bytes = sw_plan_held_bytes(plan);
    sw_plan_free(plan);
    return status;
}

static sw_status gather(cli *c, facts *f)
{
    sw_map_file map;
    SW_TRY(find_file(c, cli_arg(c, 0), &f->path));
    SW_TRY(sw_artifact_open(cli_context(c), f->path, &f->artifact));
    f->g = sw_artifact_graph(f->artifact);
    if (sw_file_map(&map, f->path) == SW_OK) {
        f->file_bytes = map.size;
        sw_file_unmap(&map);
    }
    SW_TRY(read_dims(c, f));
    SW_TRY(count_all(c, f));
    f->planned = plan_run(f) == SW_OK;
    if (!f->planned)
        f->no_plan = cli_format(c, "%s", sw_error_text());
    return SW_OK;
}

/* ---- showing ---- */

static const char *bytes_text(cli *c, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    double size = (double)bytes;
    int unit = 0;
    for (; size >= 1024 && unit < 3; unit++)
        size /= 1024;
    return cli_format(c, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static const char *flops_text(cli *c, double flops)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    int unit = 0;
    for (; flops >= 1000 && unit < 4; unit++)
        flops /= 1000;
    return cli_format(c, unit ? "%.2f%s" : "%.0f%s", flops, units[unit]);
}

static const char *type_text(cli *c, const facts *f, const sw_value *value)
{
    char text[256];
    return cli_format(c, "%s", sw_type_text(f->g, sw_value_type(value), text, sizeof text));
}

static void ports_as_json(cli *c, sw_json_writer *json, const facts *f, bool inputs)
{
    int count = inputs ? sw_graph_input_count(f->g) : sw_graph_output_count(f->g);
    sw_json_open(json, inputs ? "inputs" : "outputs", '[');
    for (int i = 0; i < count; i++) {
        const sw_value *value = inputs ? sw_graph_input(f->g, i) : sw_graph_output(f->g, i);
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "name", inputs ? sw_value_name(value) : sw_graph_output_name(f->g, i));
        sw_json_string(json, "type", type_text(c, f, value));
        sw_json_close(json, '}');
    }
    sw_json_close(json, ']');
}

static int show_json(cli *c, const facts *f)
{
    sw_json_writer *json = cli_json_begin(c, '{');
    sw_json_string(json, "file", f->path);
    sw_json_int(json, "file_bytes", (int64_t)f->file_bytes);
    sw_json_string(json, "format", sw_artifact_format(f->artifact));
    sw_json_string(json, "producer", sw_artifact_producer(f->artifact));
    sw_json_string(json, "name", sw_graph_name(f->g));
    ports_as_json(c, json, f, true);
    ports_as_json(c, json, f, false);
    sw_json_open(json, "classes", '[');
    for (int i = 0; i < sw_artifact_class_count(f->artifact); i++)
        sw_json_string(json, NULL, sw_artifact_class(f->artifact, i));
    sw_json_close(json, ']');
    sw_json_open(json, "metadata", '{');
    for (int i = 0; i < sw_artifact_metadata_count(f->artifact); i++) {
        const char *key, *value = sw_artifact_metadata_at(f->artifact, i, &key);
        sw_json_string(json, key, value);
    }
    sw_json_close(json, '}');
    sw_json_open(json, "dims", '{');
    for (int i = 0; i < sw_symbol_count(f->g); i++)
        sw_json_int(json, sw_symbol_name(f->g, i), f->symbols[i]);
    sw_json_close(json, '}');
    sw_json_open(json, "ops", '[');
    for (int i = 0; i < f->op_count; i++) {
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "op", f->ops[i].name);
        sw_json_int(json, "count", f->ops[i].count);
        sw_json_double(json, "flops", f->ops[i].flops);
        sw_json_close(json, '}');
    }
    sw_json_close(json, ']');
    sw_json_int(json, "nodes", f->nodes);
    sw_json_int(json, "parameters", f->parameters);
    sw_json_int(json, "parameter_bytes", (int64_t)f->parameter_bytes);
    if (f->planned) {
        sw_json_double(json, "flops", f->flops);
        sw_json_int(json, "run_bytes", (int64_t)f->run_bytes);
        sw_json_int(json, "held_bytes", (int64_t)f->held_bytes);
        sw_json_int(json, "peak_bytes", (int64_t)(f->run_bytes + f->held_bytes));
    } else {
        sw_json_string(json, "no_plan", f->no_plan);
    }
    return cli_json_done(c, '}');
}

static void print_classes(const facts *f)
{
    int count = sw_artifact_class_count(f->artifact), shown = count > 12 ? 12 : count;
    if (!count)
        return;
    printf("classes     %d: ", count);
    for (int i = 0; i < shown; i++)
        printf("%s%s", i ? ", " : "", sw_artifact_class(f->artifact, i));
    puts(count > shown ? ", …" : "");
}

static void print_sizes(cli *c, const facts *f)
{
    const char *at = "";
    for (int i = 0; i < sw_symbol_count(f->g); i++)
        at = cli_format(c, "%s%s%s = %lld", at, *at ? ", " : " at ", sw_symbol_name(f->g, i), (long long)f->symbols[i]);
    printf("parameters  %lld (%s)\n", (long long)f->parameters, bytes_text(c, f->parameter_bytes));
    if (!f->planned) {
        printf("plan        none: %s\n", f->no_plan);
        return;
    }
    printf("arithmetic  %s flops per run%s\n", flops_text(c, f->flops), at);
    printf("memory      %s: %s held, %s per run%s\n", bytes_text(c, f->run_bytes + f->held_bytes),
           bytes_text(c, f->held_bytes), bytes_text(c, f->run_bytes), at);
}

static int show(cli *c, const facts *f)
{
    printf("file        %s (%s)\n", f->path, bytes_text(c, f->file_bytes));
    printf("format      %s%s%s\n", sw_artifact_format(f->artifact), *sw_artifact_producer(f->artifact) ? ", by " : "",
           sw_artifact_producer(f->artifact));
    if (*sw_graph_name(f->g))
        printf("name        %s\n", sw_graph_name(f->g));
    for (int i = 0; i < sw_graph_input_count(f->g); i++)
        printf("input       %s %s\n", sw_value_name(sw_graph_input(f->g, i)), type_text(c, f, sw_graph_input(f->g, i)));
    for (int i = 0; i < sw_graph_output_count(f->g); i++)
        printf("output      %s %s\n", sw_graph_output_name(f->g, i), type_text(c, f, sw_graph_output(f->g, i)));
    print_classes(f);
    for (int i = 0; i < sw_artifact_metadata_count(f->artifact); i++) {
        const char *key, *value = sw_artifact_metadata_at(f->artifact, i, &key);
        printf("metadata    %s = %.200s\n", key, value);
    }
    print_sizes(c, f);
    putchar('\n');
    cli_table_row(c, "OP", "COUNT", "FLOPS", NULL);
    for (int i = 0; i < f->op_count; i++)
        cli_table_row(c, f->ops[i].name, cli_format(c, "%d", f->ops[i].count), flops_text(c, f->ops[i].flops), NULL);
    return cli_table_done(c);
}

static int show_dot(cli *c, const facts *f)
{
    char *dot = sw_graph_dot(f->g);
    if (!dot)
        return cli_fail(c, sw_alloc_status());
    fputs(dot, stdout);
    sw_text_release(cli_context(c), dot);
    return 0;
}

/* The plan in words, or a timeline of it. */
static int show_plan(cli *c, const facts *f)
{
    sw_dims inputs[MOST_INPUTS];
    sw_status status = input_dims(f, inputs);
    if (status != SW_OK)
        return cli_fail(c, status);
    const char *trace = cli_text(c, "trace");
    return trace ? cli_trace(c, f->g, inputs, trace) : cli_explain(c, f->g, inputs);
}

static int run(cli *c)
{
    facts f = {0};
    if (!cli_context(c))
        return cli_fail(c, SW_NO_MEMORY);
    sw_status status = gather(c, &f);
    bool plan = cli_flag(c, "explain") || cli_text(c, "trace");
    int code = status != SW_OK      ? cli_fail(c, status)
               : cli_flag(c, "dot") ? show_dot(c, &f)
               : plan               ? show_plan(c, &f)
               : cli_json(c)        ? show_json(c, &f)
                                    : show(c, &f);
    sw_artifact_close(f.artifact);
    return code;
}

static const cli_option options[] = {
    {.name = "dim",
     .type = CLI_LIST,
     .argument = "NAME=SIZE",
     .flag_only = true,
     .help = "the size of a dim that the model leaves open (1 when not given)"},
    {.name = "dot", .type = CLI_FLAG, .flag_only = true, .help = "print the graph for Graphviz instead"},
    {.name = "explain",
     .type = CLI_FLAG,
     .flag_only = true,
     .help = "print the plan instead: what each pass did, then each step's kernel, dims and place"},
    {.name = "trace",
     .type = CLI_TEXT,
     .argument = "FILE",
     .flag_only = true,
     .help = "run the plan on zeros and write a timeline for chrome://tracing or Perfetto instead"},
    {0},
};

const cli_verb cli_verb_inspect = {
    .name = "inspect",
    .arguments = "MODEL",
    .help = "Show a model's inputs, outputs, ops, parameters, arithmetic and memory",
    .details = "MODEL is an .onnx file, or name, name:version or name@alias in the store. Nothing is run (but for "
               "--trace): the planner "
               "knows the peak of a run beforehand. Memory held is the plan's: packed weights and tables.",
    .example = "slipway inspect fashion@production --dim N=32",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run,
};
