/* settings.c: flag > environment > configuration file > built-in, and who said what.
 *
 * The file is $SLIPWAY_CONFIG, --config, or slipway/config.yaml in the user's configuration folder (that one may be
 * missing). Global options are its top-level keys, a verb's options stand under the verb's name. Every key is
 * checked against all verbs, also those not running now: a misspelt key must not wait for its day. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/doc.h"
#include "base/file.h"
#include "cli/inside.h"

/* ---- Environment ---- */

static const char *environment_name(cli *c, const cli_value *value)
{
    if (value->option->environment)
        return value->option->environment;
    const char *name = value->verb ? cli_format(c, "SLIPWAY_%s_%s", value->verb->name, value->option->name)
                                   : cli_format(c, "SLIPWAY_%s", value->option->name);
    for (char *letter = (char *)(uintptr_t)name; *letter; letter++)
        *letter = *letter == '-' ? '_' : (char)(*letter >= 'a' && *letter <= 'z' ? *letter - 'a' + 'A' : *letter);
    return name;
}

static int from_environment(cli *c, cli_value *value)
{
    const char *name = environment_name(c, value), *text = getenv(name);
    if (!text || !*text)
        return 0;
    value->text = text;
    value->from = name;
    if (value->option->type == CLI_LIST && sw_vec_push(c->own, &value->list, text) != SW_OK)
        return cli_fail(c, SW_NO_MEMORY);
    return 0;
}

/* ---- File ---- */

static const cli_option *option_named(const cli_option *options, const char *name)
{
    for (; options && options->name; options++)
        if (!options->flag_only && strcmp(options->name, name) == 0)
            return options;
    return NULL;
}

/* An unknown key, with the nearest that would be known here. */
static sw_status unknown_key(const sw_doc *at, const char *key, const cli_option *options, bool verbs)
{
    const char *names[256];
    int count = 0;
    for (; options && options->name && count < 256; options++)
        if (!options->flag_only)
            names[count++] = options->name;
    for (int i = 0; verbs && cli_verbs[i] && count < 256; i++)
        if (cli_verbs[i]->options)
            names[count++] = cli_verbs[i]->name;
    const char *near = sw_nearest(key, names, count);
    if (near)
        return sw_doc_fail(at, "unknown key '%s' (did you mean '%s'?)", key, near);
    return sw_doc_fail(at, "unknown key '%s'", key);
}

static sw_status check_keys(const sw_doc *map, const cli_option *options, bool top)
{
    if (map->kind == SW_DOC_NULL)
        return SW_OK;
    if (map->kind != SW_DOC_MAP)
        return sw_doc_fail(map, "expected 'key: value' lines");
    for (int i = 0; i < map->count; i++) {
        const cli_verb *verb = top ? cli_verb_named(map->keys[i]) : NULL;
        const cli_option *option = option_named(options, map->keys[i]);
        if (verb && verb->options)
            SW_TRY(check_keys(map->items[i], verb->options, false));
        else if (!option)
            return unknown_key(map->key_at[i], map->keys[i], options, top);
        else if (map->items[i]->kind == SW_DOC_MAP || (map->items[i]->kind == SW_DOC_LIST && option->type != CLI_LIST))
            return sw_doc_fail(map->items[i], "'%s' needs one value", map->keys[i]);
    }
    return SW_OK;
}

static int from_file(cli *c, cli_value *value, const sw_doc *file)
{
    const sw_doc *map = value->verb ? sw_doc_get(file, value->verb->name) : file;
    const sw_doc *at = sw_doc_get(map, value->option->name);
    if (!at || at->kind == SW_DOC_NULL || value->option->flag_only)
        return 0;
    value->from = cli_format(c, "%s:%d", at->source, at->line);
    value->text = at->string;
    for (int i = 0; value->option->type == CLI_LIST && i < (at->kind == SW_DOC_LIST ? at->count : 1); i++) {
        value->text = at->kind == SW_DOC_LIST ? at->items[i]->string : at->string;
        if (sw_vec_push(c->own, &value->list, value->text) != SW_OK)
            return cli_fail(c, SW_NO_MEMORY);
    }
    return 0;
}

static const char *default_file(cli *c)
{
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (folder && *folder)
        return cli_format(c, "%s/slipway/config.yaml", folder);
    return home && *home ? cli_format(c, "%s/.config/slipway/config.yaml", home) : NULL;
}

static int read_file(cli *c, sw_doc **file)
{
    cli_value *config = cli_value_named(c, "config");
    if (!config->text) {
        int code = from_environment(c, config);
        if (code)
            return code;
    }
    if (!config->text) {
        const char *path = default_file(c);
        if (!path || !sw_path_exists(path))
            return 0;
        config->text = path;
        config->from = "built-in";
    }
    sw_status status = sw_doc_file(c->arena, config->text, file);
    if (status == SW_OK)
        status = check_keys(*file, cli_globals, true);
    if (status == SW_OK)
        return 0;
    cli_fail(c, status);
    return 2;
}

/* ---- Values ---- */

static bool parse_flag(const char *text, bool *flag)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0)
            return *flag = true, true;
        if (strcmp(text, no[i]) == 0)
            return *flag = false, true;
    }
    return false;
}

static bool parse_number(const cli_option *option, const char *text, double *number)
{
    char *end;
    errno = 0;
    *number = option->type == CLI_INT ? (double)strtoll(text, &end, 10) : strtod(text, &end);
    if (end == text || *end || errno || !isfinite(*number))
        return false;
    return option->low >= option->high || (*number >= option->low && *number <= option->high);
}

static int check_value(cli *c, cli_value *value)
{
    const cli_option *option = value->option;
    const char *wants;
    double number;
    bool flag;
    if (!value->text)
        return 0;
    if (option->type == CLI_FLAG) {
        if (parse_flag(value->text, &flag)) {
            value->text = flag ? "true" : "false";
            return 0;
        }
        wants = "true or false";
    } else if (option->type == CLI_INT || option->type == CLI_NUMBER) {
        if (parse_number(option, value->text, &number))
            return 0;
        wants = option->type == CLI_INT ? "a whole number" : "a number";
        if (option->low < option->high)
            wants = cli_format(c, "%s from %.15g to %.15g", wants, option->low, option->high);
    } else
        return 0;
    if (strncmp(value->from, "-", 1) == 0)
        return cli_wrong(c, "%s '%s': needs %s", value->from, value->text, wants);
    return cli_wrong(c, "%s: %s '%s': needs %s", value->from, option->name, value->text, wants);
}

static void from_built_in(cli *c, cli_value *value)
{
    value->text = value->option->computed ? value->option->computed(c) : value->option->standard;
    if (value->text)
        value->from = "built-in";
}

int cli_settle(cli *c)
{
    sw_doc *file = NULL;
    int code = read_file(c, &file);
    for (size_t i = 0; i < c->values.count && !code; i++) {
        cli_value *value = &c->values.items[i];
        if (!value->text && !value->option->flag_only)
            code = from_environment(c, value);
        if (!value->text && !code && file)
            code = from_file(c, value, file);
        if (!value->text && !code)
            from_built_in(c, value);
        if (!code)
            code = check_value(c, value);
    }
    return code;
}

int cli_show_config(cli *c)
{
    sw_json_writer *json = cli_json(c) ? cli_json_begin(c, '{') : NULL;
    if (!json)
        cli_table_row(c, "SETTING", "VALUE", "FROM", NULL);
    for (size_t i = 0; i < c->values.count; i++) {
        const cli_value *value = &c->values.items[i];
        const char *name =
            value->verb ? cli_format(c, "%s.%s", value->verb->name, value->option->name) : value->option->name;
        const char *text = value->text ? value->text : "";
        if (value->option->flag_only)
            continue;
        for (size_t j = 0; value->list.count > 1 && j < value->list.count; j++)
            text = j ? cli_format(c, "%s, %s", text, value->list.items[j]) : value->list.items[0];
        if (!json) {
            cli_table_row(c, name, text, value->from ? value->from : "not set", NULL);
            continue;
        }
        sw_json_open(json, name, '{');
        sw_json_string(json, "value", value->text ? text : NULL);
        sw_json_string(json, "from", value->from);
        sw_json_close(json, '}');
    }
    return json ? cli_json_done(c, '}') : cli_table_done(c);
}

/* ---- Asking ---- */

/* A verb that asks for an option it does not have is a fault of the verb, found by its first test. */
static const cli_value *need(const cli *c, const char *name)
{
    const cli_value *value = cli_value_named(c, name);
    if (value)
        return value;
    fprintf(stderr, "slipway: fault: '%s' asks for an option --%s that it does not have\n", c->verb->name, name);
    abort();
}

bool cli_flag(const cli *c, const char *name)
{
    const char *text = need(c, name)->text;
    return text && strcmp(text, "true") == 0;
}

const char *cli_text(const cli *c, const char *name) { return need(c, name)->text; }

int64_t cli_int(const cli *c, const char *name)
{
    const char *text = need(c, name)->text;
    return text ? strtoll(text, NULL, 10) : 0;
}

double cli_number(const cli *c, const char *name)
{
    const char *text = need(c, name)->text;
    return text ? strtod(text, NULL) : 0;
}

int cli_list(const cli *c, const char *name, const char *const **items)
{
    const cli_value *value = need(c, name);
    *items = value->list.items;
    return (int)value->list.count;
}

bool cli_given(const cli *c, const char *name)
{
    const cli_value *value = need(c, name);
    return value->text && strcmp(value->from, "built-in") != 0;
}

int cli_arg_count(const cli *c) { return (int)c->arguments.count; }

const char *cli_arg(const cli *c, int index)
{
    return index >= 0 && (size_t)index < c->arguments.count ? c->arguments.items[index] : NULL;
}
