/* verb_runs.c: what was tried, with what, and how it went. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

static const char *duration(cli *c, const sw_run_info *run)
{
    int64_t ms = (run->ended_ms ? run->ended_ms : run->beat_ms) - run->begun_ms;
    if (ms < 60000)
        return cli_format(c, "%.1f s", (double)ms / 1000);
    return cli_format(c, "%lld min %02lld s", (long long)(ms / 60000), (long long)(ms / 1000 % 60));
}

static const char *metrics_text(cli *c, const sw_run_info *run)
{
    const char *text = "";
    for (int i = 0; i < run->metric_count; i++)
        text = cli_format(c, "%s%s%s %.4g", text, i ? ", " : "", run->metrics[i].name, run->metrics[i].value);
    return text;
}

static void pairs_as_json(sw_json_writer *json, const char *key, const sw_run_pair *pairs, int count)
{
    sw_json_open(json, key, '{');
    for (int i = 0; i < count; i++)
        sw_json_string(json, pairs[i].key, pairs[i].value);
    sw_json_close(json, '}');
}

static void run_fields(cli *c, sw_json_writer *json, const sw_run_info *run)
{
    sw_json_string(json, "id", run->id);
    sw_json_string(json, "name", run->name);
    sw_json_string(json, "state", sw_run_state_name(run->state));
    sw_json_string(json, "why", *run->why ? run->why : NULL);
    sw_json_int(json, "begun_ms", run->begun_ms);
    sw_json_int(json, "ended_ms", run->ended_ms);
    sw_json_int(json, "beat_ms", run->beat_ms);
    sw_json_string(json, "host", run->host);
    sw_json_int(json, "pid", run->pid);
    sw_json_string(json, "seed", cli_format(c, "%llu", (unsigned long long)run->seed));
    sw_json_string(json, "data_hash", run->data_hash);
    sw_json_string(json, "code_version", run->code_version);
    sw_json_string(json, "identity", run->identity);
    pairs_as_json(json, "parameters", run->parameters, run->parameter_count);
    pairs_as_json(json, "tags", run->tags, run->tag_count);
    sw_json_open(json, "metrics", '{');
    for (int i = 0; i < run->metric_count; i++)
        sw_json_double(json, run->metrics[i].name, run->metrics[i].value);
    sw_json_close(json, '}');
    sw_json_open(json, "checkpoints", '{');
    for (int i = 0; i < run->checkpoint_count; i++) {
        sw_json_open(json, run->checkpoints[i].slot, '{');
        sw_json_int(json, "step", run->checkpoints[i].checkpoint.step);
        sw_json_double(json, "metric", run->checkpoints[i].checkpoint.metric);
        sw_json_string(json, "sha256", run->checkpoints[i].checkpoint.blob.hash);
        sw_json_close(json, '}');
    }
    sw_json_close(json, '}');
}

static int run_ls(cli *c)
{
    sw_store *store;
    const sw_run_list *list;
    sw_status status = cli_store(c, true, &store);
    if (status == SW_OK)
        status = sw_run_list_read(store, cli_arg(c, 0), &list);
    if (status != SW_OK)
        return cli_fail(c, status);
    sw_json_writer *json = cli_json(c) ? cli_json_begin(c, '[') : NULL;
    if (!json)
        cli_table_row(c, "RUN", "STATE", "BEGUN", "TOOK", "LAST METRICS", NULL);
    for (int i = 0; i < list->count; i++) {
        const sw_run_info *run = &list->runs[i];
        if (json) {
            sw_json_open(json, NULL, '{');
            run_fields(c, json, run);
            sw_json_close(json, '}');
        } else
            cli_table_row(c, run->id, sw_run_state_name(run->state), cli_time(c, run->begun_ms), duration(c, run),
                          metrics_text(c, run), NULL);
    }
    sw_run_list_free(list);
    return json ? cli_json_done(c, ']') : cli_table_done(c);
}

/* ---- show ---- */

static void print_pairs(const char *title, const sw_run_pair *pairs, int count)
{
    for (int i = 0; i < count; i++)
        printf("%-12s %s = %s\n", i ? "" : title, pairs[i].key, pairs[i].value);
}

static void print_given(const char *title, const char *text)
{
    if (*text)
        printf("%-12s %s\n", title, text);
}

static void print_run(cli *c, const sw_run_info *run)
{
    printf("%s  %s%s%s\n", run->id, sw_run_state_name(run->state), *run->why ? ": " : "", run->why);
    printf("begun        %s, took %s\nprocess      %lld on %s\nseed         %llu\n", cli_time(c, run->begun_ms),
           duration(c, run), (long long)run->pid, run->host, (unsigned long long)run->seed);
    print_given("data", run->data_hash);
    print_given("code", run->code_version);
    print_given("identity", run->identity);
    print_pairs("parameters", run->parameters, run->parameter_count);
    print_pairs("tags", run->tags, run->tag_count);
    for (int i = 0; i < run->metric_count; i++)
        printf("%-12s %s %.6g\n", i ? "" : "metrics", run->metrics[i].name, run->metrics[i].value);
    for (int i = 0; i < run->checkpoint_count; i++)
        printf("%-12s %s: step %lld, %llu bytes\n", i ? "" : "checkpoints", run->checkpoints[i].slot,
               (long long)run->checkpoints[i].checkpoint.step,
               (unsigned long long)run->checkpoints[i].checkpoint.blob.size);
    if (*run->recipe)
        printf("recipe:\n%s%s", run->recipe, run->recipe[strlen(run->recipe) - 1] == '\n' ? "" : "\n");
}

/* The run with this id, or the newest of this name. */
static sw_status read_one(cli *c, const char *id, const sw_run_list **list, const sw_run_info **run)
{
    sw_store *store;
    SW_TRY(cli_store(c, true, &store));
    SW_TRY(sw_run_list_read(store, id, list));
    *run = &(*list)->runs[0];
    return SW_OK;
}

static int run_show(cli *c)
{
    const sw_run_list *list;
    const sw_run_info *run;
    sw_status status = read_one(c, cli_arg(c, 0), &list, &run);
    if (status != SW_OK)
        return cli_fail(c, status);
    int code = 0;
    if (cli_json(c)) {
        sw_json_writer *json = cli_json_begin(c, '{');
        run_fields(c, json, run);
        sw_json_string(json, "recipe", run->recipe);
        code = cli_json_done(c, '}');
    } else
        print_run(c, run);
    sw_run_list_free(list);
    return code;
}

/* ---- log ---- */

static int run_log(cli *c)
{
    sw_store *store;
    char text[8192];
    uint64_t offset = 0;
    size_t got = 0;
    sw_status status = cli_store(c, true, &store);
    while (status == SW_OK) {
        status = sw_run_log_read(store, cli_arg(c, 0), offset, text, sizeof text, &got);
        if (status != SW_OK || got == 0)
            break;
        fwrite(text, 1, got, stdout);
        offset += got;
    }
    return status == SW_OK ? 0 : cli_fail(c, status);
}

/* ---- diff ---- */

static const char *pair_value(const sw_run_pair *pairs, int count, const char *key)
{
    for (int i = 0; i < count; i++)
        if (strcmp(pairs[i].key, key) == 0)
            return pairs[i].value;
    return NULL;
}

static void diff_row(cli *c, sw_json_writer *json, const char *what, const char *a, const char *b)
{
    if (a && b && strcmp(a, b) == 0)
        return;
    if (!json) {
        cli_table_row(c, what, a && *a ? a : "-", b && *b ? b : "-", NULL);
        return;
    }
    sw_json_open(json, what, '[');
    sw_json_string(json, NULL, a);
    sw_json_string(json, NULL, b);
    sw_json_close(json, ']');
}

static void diff_pairs(cli *c, sw_json_writer *json, const sw_run_info *a, const sw_run_info *b)
{
    for (int i = 0; i < a->parameter_count; i++)
        diff_row(c, json, a->parameters[i].key, a->parameters[i].value,
                 pair_value(b->parameters, b->parameter_count, a->parameters[i].key));
    for (int i = 0; i < b->parameter_count; i++)
        if (!pair_value(a->parameters, a->parameter_count, b->parameters[i].key))
            diff_row(c, json, b->parameters[i].key, NULL, b->parameters[i].value);
}

static const char *metric_text(cli *c, const sw_run_info *run, const char *name)
{
    for (int i = 0; i < run->metric_count; i++)
        if (strcmp(run->metrics[i].name, name) == 0)
            return cli_format(c, "%.6g", run->metrics[i].value);
    return NULL;
}

static void diff_metrics(cli *c, sw_json_writer *json, const sw_run_info *a, const sw_run_info *b)
{
    for (int i = 0; i < a->metric_count; i++)
        diff_row(c, json, a->metrics[i].name, metric_text(c, a, a->metrics[i].name),
                 metric_text(c, b, a->metrics[i].name));
    for (int i = 0; i < b->metric_count; i++)
        if (!metric_text(c, a, b->metrics[i].name))
            diff_row(c, json, b->metrics[i].name, NULL, metric_text(c, b, b->metrics[i].name));
}

static int run_diff(cli *c)
{
    const sw_run_list *lists[2] = {NULL, NULL};
    const sw_run_info *a = NULL, *b = NULL;
    sw_status status = read_one(c, cli_arg(c, 0), &lists[0], &a);
    if (status == SW_OK)
        status = read_one(c, cli_arg(c, 1), &lists[1], &b);
    int code;
    if (status == SW_OK) {
        sw_json_writer *json = cli_json(c) ? cli_json_begin(c, '{') : NULL;
        if (!json)
            cli_table_row(c, "WHAT", a->id, b->id, NULL);
        diff_row(c, json, "state", sw_run_state_name(a->state), sw_run_state_name(b->state));
        diff_row(c, json, "seed", cli_format(c, "%llu", (unsigned long long)a->seed),
                 cli_format(c, "%llu", (unsigned long long)b->seed));
        diff_row(c, json, "data", a->data_hash, b->data_hash);
        diff_row(c, json, "code", a->code_version, b->code_version);
        diff_row(c, json, "identity", a->identity, b->identity);
        diff_pairs(c, json, a, b);
        diff_metrics(c, json, a, b);
        code = json ? cli_json_done(c, '}') : cli_table_done(c);
    } else
        code = cli_fail(c, status);
    sw_run_list_free(lists[0]);
    sw_run_list_free(lists[1]);
    return code;
}

static int run_rm(cli *c)
{
    sw_store *store;
    sw_status status = cli_store(c, false, &store);
    for (int i = 0; i < cli_arg_count(c) && status == SW_OK; i++)
        status = sw_run_remove(store, cli_arg(c, i));
    return status == SW_OK ? 0 : cli_fail(c, status);
}

static const cli_action actions[] = {
    {"ls", "[NAME]", "all runs, newest first, or those of one name", 0, 1, run_ls},
    {"show", "RUN", "a run: state, parameters, metrics, checkpoints, recipe. A name means its newest run", 1, 1,
     run_show},
    {"log", "RUN", "what the run wrote to its log", 1, 1, run_log},
    {"diff", "RUN RUN", "what differs between two runs", 2, 2, run_diff},
    {"rm", "RUN…", "remove runs that do not run; the versions they made stay", 1, -1, run_rm},
    {0},
};

const cli_verb cli_verb_runs = {
    .name = "runs",
    .arguments = "[ACTION]",
    .help = "list, show, compare and remove runs",
    .example = "slipway runs diff fashion-1 fashion-2",
    .actions = actions,
};
