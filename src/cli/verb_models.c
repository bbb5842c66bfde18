/* verb_models.c: what stands in the store, and what its names point at. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

static const char *aliases_text(cli *c, const sw_model_info *model)
{
    const char *text = "";
    for (int i = 0; i < model->alias_count; i++)
        text = cli_format(c, "%s%s%s -> %lld", text, i ? ", " : "", model->aliases[i].name,
                          (long long)model->aliases[i].version);
    return text;
}

static void list_as_json(cli *c, const sw_model_list *list)
{
    sw_json_writer *json = cli_json_begin(c, '[');
    for (int i = 0; i < list->count; i++) {
        const sw_model_info *model = &list->models[i];
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "name", model->name);
        sw_json_int(json, "created_ms", model->created_ms);
        sw_json_open(json, "versions", '[');
        for (int j = 0; j < model->version_count; j++)
            sw_json_int(json, NULL, model->versions[j]);
        sw_json_close(json, ']');
        sw_json_open(json, "aliases", '{');
        for (int j = 0; j < model->alias_count; j++)
            sw_json_int(json, model->aliases[j].name, model->aliases[j].version);
        sw_json_close(json, '}');
        sw_json_close(json, '}');
    }
}

static int run_ls(cli *c)
{
    sw_store *store;
    const sw_model_list *list;
    sw_status status = cli_store(c, true, &store);
    if (status == SW_OK)
        status = sw_model_list_read(store, cli_arg(c, 0), &list);
    if (status != SW_OK)
        return cli_fail(c, status);
    if (cli_json(c))
        list_as_json(c, list);
    else
        cli_table_row(c, "MODEL", "NEWEST", "VERSIONS", "ALIASES", "CREATED", NULL);
    for (int i = 0; i < list->count && !cli_json(c); i++) {
        const sw_model_info *model = &list->models[i];
        cli_table_row(c, model->name, cli_format(c, "%lld", (long long)model->versions[model->version_count - 1]),
                      cli_format(c, "%d", model->version_count), aliases_text(c, model), cli_time(c, model->created_ms),
                      NULL);
    }
    sw_model_list_free(list);
    return cli_json(c) ? cli_json_done(c, ']') : cli_table_done(c);
}

/* ---- show ---- */

static void ports_as_json(sw_json_writer *json, const char *key, const sw_model_port *ports, int count)
{
    sw_json_open(json, key, '[');
    for (int i = 0; i < count; i++) {
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "name", ports[i].name);
        sw_json_string(json, "dtype", ports[i].dtype);
        sw_json_string(json, "shape", ports[i].shape);
        sw_json_close(json, '}');
    }
    sw_json_close(json, ']');
}

static void names_as_json(sw_json_writer *json, const char *key, const char *const *names, int count)
{
    sw_json_open(json, key, '[');
    for (int i = 0; i < count; i++)
        sw_json_string(json, NULL, names[i]);
    sw_json_close(json, ']');
}

static void version_as_json(cli *c, const sw_model_version *v)
{
    sw_json_writer *json = cli_json_begin(c, '{');
    sw_json_string(json, "model", v->model);
    sw_json_int(json, "version", v->number);
    sw_json_int(json, "created_ms", v->created_ms);
    sw_json_string(json, "run", *v->run ? v->run : NULL);
    sw_json_string(json, "note", v->note);
    names_as_json(json, "aliases", v->aliases, v->alias_count);
    ports_as_json(json, "inputs", v->inputs, v->input_count);
    ports_as_json(json, "outputs", v->outputs, v->output_count);
    names_as_json(json, "classes", v->classes, v->class_count);
    sw_json_open(json, "metrics", '{');
    for (int i = 0; i < v->metric_count; i++)
        sw_json_double(json, v->metrics[i].name, v->metrics[i].value);
    sw_json_close(json, '}');
    sw_json_open(json, "files", '[');
    for (int i = 0; i < v->file_count; i++) {
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "name", v->files[i].name);
        sw_json_int(json, "bytes", (int64_t)v->files[i].size);
        sw_json_string(json, "sha256", v->files[i].blob.hash);
        sw_json_string(json, "path", v->files[i].path);
        sw_json_close(json, '}');
    }
    sw_json_close(json, ']');
}

static void print_ports(const char *title, const sw_model_port *ports, int count)
{
    for (int i = 0; i < count; i++)
        printf("%-9s %s %s %s\n", i ? "" : title, ports[i].name, ports[i].dtype, ports[i].shape);
}

static void print_version(cli *c, const sw_model_version *v)
{
    printf("%s:%lld", v->model, (long long)v->number);
    for (int i = 0; i < v->alias_count; i++)
        printf("%s@%s", i ? ", " : "  ", v->aliases[i]);
    printf("\ncreated   %s\n", cli_time(c, v->created_ms));
    if (*v->run)
        printf("run       %s\n", v->run);
    if (*v->note)
        printf("note      %s\n", v->note);
    print_ports("inputs", v->inputs, v->input_count);
    print_ports("outputs", v->outputs, v->output_count);
    for (int i = 0; i < v->class_count; i++)
        printf("%s%s", i ? ", " : "classes   ", v->classes[i]);
    if (v->class_count)
        putchar('\n');
    for (int i = 0; i < v->metric_count; i++)
        printf("%-9s %s %.6g\n", i ? "" : "metrics", v->metrics[i].name, v->metrics[i].value);
    for (int i = 0; i < v->file_count; i++)
        printf("%-9s %s  %llu bytes  sha256 %s\n", i ? "" : "files", v->files[i].name,
               (unsigned long long)v->files[i].size, v->files[i].blob.hash);
}

static int run_show(cli *c)
{
    sw_store *store;
    const sw_model_version *version;
    sw_status status = cli_store(c, true, &store);
    if (status == SW_OK)
        status = sw_model_version_open(store, cli_arg(c, 0), true, &version);
    if (status != SW_OK)
        return cli_fail(c, status);
    int code = 0;
    if (cli_json(c)) {
        version_as_json(c, version);
        code = cli_json_done(c, '}');
    } else
        print_version(c, version);
    sw_model_version_free(version);
    return code;
}

/* ---- alias, history, rm, gc ---- */

/* `models alias fashion:3 production`, and with --remove `models alias fashion production`. */
static int run_alias(cli *c)
{
    sw_store *store;
    sw_model_ref ref;
    int64_t number = 0;
    const char *alias = cli_arg(c, 1);
    sw_status status = sw_model_ref_parse(cli_arg(c, 0), &ref);
    if (status == SW_OK)
        status = cli_store(c, false, &store);
    if (status == SW_OK && cli_flag(c, "remove"))
        status = sw_alias_remove(store, ref.model, alias);
    else if (status == SW_OK) {
        status = sw_model_version_resolve(store, cli_arg(c, 0), &number);
        if (status == SW_OK)
            status = sw_alias_set(store, ref.model, alias, number);
    }
    if (status != SW_OK)
        return cli_fail(c, status);
    if (cli_json(c)) {
        sw_json_writer *json = cli_json_begin(c, '{');
        sw_json_string(json, "model", ref.model);
        sw_json_string(json, "alias", alias);
        sw_json_int(json, "version", number);
        return cli_json_done(c, '}');
    }
    if (number)
        cli_note(c, "%s@%s is now %s:%lld", ref.model, alias, ref.model, (long long)number);
    else
        cli_note(c, "%s@%s is gone", ref.model, alias);
    return 0;
}

static int run_history(cli *c)
{
    sw_store *store;
    const sw_alias_history *history;
    sw_status status = cli_store(c, true, &store);
    if (status == SW_OK)
        status = sw_alias_history_read(store, cli_arg(c, 0), cli_arg(c, 1), &history);
    if (status != SW_OK)
        return cli_fail(c, status);
    sw_json_writer *json = cli_json(c) ? cli_json_begin(c, '[') : NULL;
    if (!json)
        cli_table_row(c, "WHEN", "FROM", "TO", NULL);
    for (int i = 0; i < history->count; i++) {
        const sw_alias_move *move = &history->moves[i];
        if (json) {
            sw_json_open(json, NULL, '{');
            sw_json_int(json, "at_ms", move->at_ms);
            sw_json_int(json, "from", move->from);
            sw_json_int(json, "to", move->to);
            sw_json_close(json, '}');
        } else
            cli_table_row(c, cli_time(c, move->at_ms), move->from ? cli_format(c, "%lld", (long long)move->from) : "-",
                          move->to ? cli_format(c, "%lld", (long long)move->to) : "-", NULL);
    }
    sw_alias_history_free(history);
    return json ? cli_json_done(c, ']') : cli_table_done(c);
}

static int run_rm(cli *c)
{
    sw_store *store;
    sw_status status = cli_store(c, false, &store);
    for (int i = 0; i < cli_arg_count(c) && status == SW_OK; i++) {
        sw_model_ref ref;
        status = sw_model_ref_parse(cli_arg(c, i), &ref);
        if (status == SW_OK && ref.alias[0])
            return cli_wrong(c,
                             "rm takes name or name:version; an alias is removed with 'slipway models alias --remove'");
        if (status == SW_OK)
            status = ref.version ? sw_model_version_remove(store, ref.model, ref.version)
                                 : sw_model_remove(store, ref.model);
    }
    return status == SW_OK ? 0 : cli_fail(c, status);
}

static int run_gc(cli *c)
{
    sw_store *store;
    sw_gc_report report;
    sw_status status = cli_store(c, false, &store);
    if (status == SW_OK)
        status = sw_store_gc(store, cli_int(c, "grace") * 1000, cli_flag(c, "dry-run"), &report);
    if (status != SW_OK)
        return cli_fail(c, status);
    if (cli_json(c)) {
        sw_json_writer *json = cli_json_begin(c, '{');
        sw_json_int(json, "kept", (int64_t)report.kept);
        sw_json_int(json, "removed", (int64_t)report.removed);
        sw_json_int(json, "removed_bytes", (int64_t)report.removed_bytes);
        return cli_json_done(c, '}');
    }
    printf("%s %llu blobs (%.1f MB), kept %llu\n", cli_flag(c, "dry-run") ? "would remove" : "removed",
           (unsigned long long)report.removed, (double)report.removed_bytes / 1e6, (unsigned long long)report.kept);
    return 0;
}

static int run_check(cli *c)
{
    sw_store *store;
    sw_status status = cli_store(c, true, &store);
    if (status == SW_OK)
        status = sw_store_check(store);
    if (status != SW_OK)
        return cli_fail(c, status);
    cli_note(c, "%s is whole", sw_store_path(store));
    return 0;
}

static const cli_option options[] = {
    {.name = "remove", .type = CLI_FLAG, .flag_only = true, .help = "alias: take the alias away"},
    {.name = "grace",
     .type = CLI_INT,
     .argument = "SECONDS",
     .standard = "3600",
     .low = 0,
     .high = 1e9,
     .help = "gc: spare what was touched within this time"},
    {.name = "dry-run", .type = CLI_FLAG, .flag_only = true, .help = "gc: only count"},
    {0},
};

static const cli_action actions[] = {
    {"ls", "[NAME]", "all models, their newest versions and aliases", 0, 1, run_ls},
    {"show", "MODEL", "a version: inputs, outputs, classes, metrics, files (hashes checked), lineage", 1, 1, run_show},
    {"alias", "MODEL ALIAS", "point an alias at a version; with --remove take it away", 2, 2, run_alias},
    {"history", "NAME ALIAS", "where an alias has pointed", 2, 2, run_history},
    {"rm", "MODEL…", "remove versions (name:3) or whole models (name); aliases protect what they point at", 1, -1,
     run_rm},
    {"gc", "", "remove files of the store that nothing points at", 0, 0, run_gc},
    {"check", "", "check every file and row of the store", 0, 0, run_check},
    {0},
};

const cli_verb cli_verb_models = {
    .name = "models",
    .arguments = "[ACTION]",
    .help = "list, show, alias and remove the models of the store",
    .example = "slipway models alias fashion:3 production",
    .options = options,
    .actions = actions,
};
