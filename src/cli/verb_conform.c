/* verb_conform.c: ONNX's own test cases: a model, inputs, and what must come out.
 *
 * A case is a folder with model.onnx and test_data_set_N/{input,output}_K.pb; an argument is a case or a folder of
 * cases. A case that uses what is not supported is counted apart; one that gives other numbers has failed. The
 * tolerance is that of ONNX's own runner: |ours - theirs| <= 1e-7 + 1e-3 |theirs|. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "cli/verbs.h"
#include "formats/mapping.h"
#include "formats/onnx_proto.h"
#include "formats/onnx_tensor.h"
#include "slipway/model.h"
#include "slipway/plan.h"

enum { MOST_PORTS = 64 };

enum verdict { PASSED, FAILED, UNSUPPORTED };

typedef struct tally {
    int counts[3];
    sw_json_writer *json;
} tally;

typedef struct ports {
    sw_tensor *items[MOST_PORTS];
    int count;
} ports;

static void release(ports *p)
{
    for (int i = 0; i < p->count; i++)
        sw_tensor_release(p->items[i]);
    p->count = 0;
}

/* ---- reading a data set ---- */

static sw_status read_tensor(cli *c, const char *path, sw_tensor **tensor)
{
    sw_mapping *mapping;
    onnx_tensor parsed;
    size_t size;
    SW_TRY(sw_mapping_open(cli_context(c), path, &mapping));
    const uint8_t *bytes = sw_mapping_bytes(mapping, &size);
    sw_status status = onnx_parse_tensor(cli_arena(c), path, bytes, size, &parsed);
    if (status == SW_OK)
        status = onnx_tensor_read(mapping, NULL, &parsed, tensor);
    sw_mapping_release(mapping);
    return status;
}

/* KIND_0.pb, KIND_1.pb, … as far as they go. Files that are no tensors (sequences, maps) are not supported. */
static sw_status read_ports(cli *c, const char *folder, const char *kind, ports *p)
{
    for (p->count = 0; p->count < MOST_PORTS; p->count++) {
        const char *path = cli_format(c, "%s/%s_%d.pb", folder, kind, p->count);
        if (!sw_path_exists(path))
            return SW_OK;
        if (read_tensor(c, path, &p->items[p->count]) != SW_OK)
            return sw_fail_in(SW_UNSUPPORTED, "%s", path);
    }
    return SW_OK;
}

/* ---- comparing ---- */

static sw_status differ(const char *name, int64_t index, const sw_tensor *ours, const sw_tensor *theirs)
{
    return sw_fail(SW_CORRUPT, "output %s[%lld] is %.9g, must be %.9g", name, (long long)index,
                   sw_tensor_get(ours, index), sw_tensor_get(theirs, index));
}

static bool agrees(const sw_tensor *ours, const sw_tensor *theirs, int64_t i)
{
    if (sw_tensor_dtype(theirs) == SW_STRING)
        return strcmp(sw_tensor_get_string(ours, i), sw_tensor_get_string(theirs, i)) == 0;
    double a = sw_tensor_get(ours, i), b = sw_tensor_get(theirs, i);
    if (!sw_dtype_is_float(sw_tensor_dtype(theirs)))
        return sw_tensor_get_int(ours, i) == sw_tensor_get_int(theirs, i);
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-7 + 1e-3 * fabs(b);
}

static sw_status compare(const char *name, const sw_tensor *ours, const sw_tensor *theirs)
{
    char left[256], right[256];
    sw_dims a = sw_tensor_dims(ours), b = sw_tensor_dims(theirs);
    if (sw_tensor_dtype(ours) != sw_tensor_dtype(theirs) || !sw_dims_equal(a, b))
        return sw_fail(SW_SHAPE, "output %s is %s%s, must be %s%s", name, sw_dtype_name(sw_tensor_dtype(ours)),
                       sw_dims_text(a, left, sizeof left), sw_dtype_name(sw_tensor_dtype(theirs)),
                       sw_dims_text(b, right, sizeof right));
    for (int64_t i = 0; i < sw_tensor_count(theirs); i++)
        if (!agrees(ours, theirs, i))
            return differ(name, i, ours, theirs);
    return SW_OK;
}

/* ---- one case ---- */

/* Cases before ONNX 1.13 hold bf16 as the u16 of its bits. */
static sw_status as_bits(cli *c, sw_dtype wanted, sw_tensor **tensor)
{
    if (wanted != SW_BF16 || sw_tensor_dtype(*tensor) != SW_U16)
        return SW_OK;
    sw_tensor *same = sw_tensor_from(cli_context(c), SW_BF16, sw_tensor_dims(*tensor), sw_tensor_data(*tensor));
    sw_tensor_release(*tensor);
    *tensor = same;
    return same ? SW_OK : sw_alloc_status();
}

static sw_status run_set(cli *c, sw_plan *plan, const char *folder)
{
    ports in = {0}, wanted = {0}, got = {0};
    sw_status status = read_ports(c, folder, "input", &in);
    if (status == SW_OK)
        status = read_ports(c, folder, "output", &wanted);
    if (status == SW_OK && (in.count < sw_plan_input_count(plan) || wanted.count > sw_plan_output_count(plan)))
        status = sw_fail(SW_UNSUPPORTED, "%s: has %d inputs and %d outputs", folder, in.count, wanted.count);
    for (int i = 0; i < sw_plan_input_count(plan) && status == SW_OK; i++)
        status = as_bits(c, sw_plan_input_type(plan, i)->dtype, &in.items[i]);
    for (int i = 0; i < wanted.count && status == SW_OK; i++)
        status = as_bits(c, sw_plan_output_type(plan, i)->dtype, &wanted.items[i]);
    if (status == SW_OK) {
        got.count = sw_plan_output_count(plan);
        status = sw_plan_run(plan, in.items, got.items, cli_cancel(c));
    }
    for (int i = 0; i < wanted.count && status == SW_OK; i++)
        status = compare(sw_plan_output_name(plan, i), got.items[i], wanted.items[i]);
    release(&in);
    release(&wanted);
    release(&got);
    return status;
}

static sw_status run_sets(cli *c, sw_plan *plan, const char *folder)
{
    for (int set = 0;; set++) {
        const char *path = cli_format(c, "%s/test_data_set_%d", folder, set);
        if (!sw_path_exists(path))
            return set ? SW_OK : sw_fail(SW_NOT_FOUND, "%s: has no test_data_set_0", folder);
        SW_TRY(run_set(c, plan, path));
    }
}

static sw_status run_case(cli *c, const char *folder)
{
    sw_artifact *artifact;
    sw_plan *plan = NULL;
    const sw_compile_options compile = {.size = sizeof compile, .freeze = true};
    SW_TRY(sw_artifact_open(cli_context(c), cli_format(c, "%s/model.onnx", folder), &artifact));
    sw_status status = sw_graph_output_count(sw_artifact_graph(artifact)) > MOST_PORTS ||
                               sw_graph_input_count(sw_artifact_graph(artifact)) > MOST_PORTS
                           ? sw_fail(SW_UNSUPPORTED, "has too many ports")
                           : sw_compile(sw_artifact_graph(artifact), &compile, &plan);
    sw_artifact_close(artifact);
    if (status == SW_OK)
        status = run_sets(c, plan, folder);
    sw_plan_free(plan);
    return status;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void judge(cli *c, tally *t, const char *folder)
{
    static const char *const names[] = {"passed", "failed", "unsupported"};
    sw_arena_mark mark = sw_arena_mark_now(cli_arena(c));
    sw_status status = run_case(c, folder);
    enum verdict verdict = status == SW_OK ? PASSED : status == SW_UNSUPPORTED ? UNSUPPORTED : FAILED;
    t->counts[verdict]++;
    if (t->json) {
        sw_json_open(t->json, NULL, '{');
        sw_json_string(t->json, "case", last_part(folder));
        sw_json_string(t->json, "verdict", names[verdict]);
        if (verdict != PASSED)
            sw_json_string(t->json, "reason", sw_error_text());
        sw_json_close(t->json, '}');
    } else if (verdict == FAILED || (verdict == UNSUPPORTED && cli_flag(c, "verbose"))) {
        printf("%-12s %s: %s\n", names[verdict], last_part(folder), sw_error_text());
    }
    sw_arena_rewind(cli_arena(c), mark);
}

static sw_status judge_folder(cli *c, tally *t, const char *folder)
{
    struct dirent **entries;
    if (sw_path_exists(cli_format(c, "%s/model.onnx", folder))) {
        judge(c, t, folder);
        return SW_OK;
    }
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0)
        return sw_fail(SW_NOT_FOUND, "%s: no such folder", folder);
    for (int i = 0; i < count; i++) {
        const char *path = cli_format(c, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && sw_cancel_check(cli_cancel(c)) == SW_OK &&
            sw_path_exists(cli_format(c, "%s/model.onnx", path)))
            judge(c, t, path);
        free(entries[i]);
    }
    free(entries);
    return SW_OK;
}

static int run(cli *c)
{
    tally t = {0};
    if (!cli_context(c))
        return cli_fail(c, SW_NO_MEMORY);
    if (cli_json(c)) {
        t.json = cli_json_begin(c, '{');
        sw_json_open(t.json, "cases", '[');
    }
    for (int i = 0; i < cli_arg_count(c); i++) {
        sw_status status = judge_folder(c, &t, cli_arg(c, i));
        if (status != SW_OK)
            return cli_fail(c, status);
    }
    int all = t.counts[PASSED] + t.counts[FAILED] + t.counts[UNSUPPORTED];
    if (all == 0)
        return cli_fail(c, sw_fail(SW_NOT_FOUND, "there is no case (a folder with model.onnx) in what was given"));
    if (t.json) {
        sw_json_close(t.json, ']');
        sw_json_int(t.json, "passed", t.counts[PASSED]);
        sw_json_int(t.json, "failed", t.counts[FAILED]);
        sw_json_int(t.json, "unsupported", t.counts[UNSUPPORTED]);
        cli_json_done(c, '}');
    } else {
        printf("%d cases: %d passed, %d failed, %d not supported\n", all, t.counts[PASSED], t.counts[FAILED],
               t.counts[UNSUPPORTED]);
    }
    return t.counts[FAILED] ? 1 : 0;
}

const cli_verb cli_verb_conform = {
    .name = "conform",
    .arguments = "FOLDER…",
    .help = "Run ONNX test cases and compare what comes out",
    .details =
        "A case is a folder with model.onnx and test_data_set_0/{input,output}_0.pb, as ONNX's backend tests are; a "
        "FOLDER "
        "is a case or holds cases. Cases that use what is not supported are counted apart (-v names them); a case "
        "that gives other numbers fails, and with it the command.",
    .example = "slipway conform /usr/share/libonnx-testdata/data/node",
    .least = 1,
    .most = -1,
    .run = run,
};
