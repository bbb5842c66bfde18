/* parse.c: the command line.
 *
 * Options may stand anywhere: global ones before the verb too. "--name value", "--name=value", "-n value", "-nvalue",
 * "-qv"; "--" ends the options. A word nobody knows is answered with the nearest one that exists. */
#include <stdio.h>
#include <string.h>

#include "base/doc.h"
#include "cli/inside.h"

cli_value *cli_value_named(const cli *c, const char *name)
{
    for (size_t i = 0; i < c->values.count; i++)
        if (strcmp(c->values.items[i].option->name, name) == 0)
            return &c->values.items[i];
    return NULL;
}

const cli_verb *cli_verb_named(const char *name)
{
    for (int i = 0; cli_verbs[i]; i++)
        if (strcmp(cli_verbs[i]->name, name) == 0)
            return cli_verbs[i];
    return NULL;
}

#define NAMES_MAX 128

static const char *hint(const char *word, const char *const *names, int count, const char *dashes, char text[96])
{
    const char *near = sw_nearest(word, names, count);
    text[0] = '\0';
    if (near)
        snprintf(text, 96, " (did you mean '%s%s'?)", dashes, near);
    return text;
}

int cli_unknown_verb(cli *c, const char *name)
{
    const char *names[NAMES_MAX];
    char text[96];
    int count = 0;
    for (; cli_verbs[count] && count < NAMES_MAX; count++)
        names[count] = cli_verbs[count]->name;
    return cli_wrong(c, "unknown verb '%s'%s", name, hint(name, names, count, "", text));
}

/* Options that ask about the program instead of telling it something. */
static const char *const asks[] = {"help", "version", "show-config"};

static int unknown_option(cli *c, const char *word, size_t length)
{
    const char *names[NAMES_MAX], *name = cli_format(c, "%.*s", (int)length, word);
    char text[96];
    int count = 0;
    for (size_t i = 0; i < c->values.count && count < NAMES_MAX; i++)
        names[count++] = c->values.items[i].option->name;
    for (int i = 0; i < 3 && count < NAMES_MAX; i++)
        names[count++] = asks[i];
    return cli_wrong(c, "unknown option '--%s'%s", name, hint(name, names, count, "--", text));
}

static int add_options(cli *c, const cli_option *options, const cli_verb *verb)
{
    for (; options && options->name; options++) {
        cli_value value = {.option = options, .verb = verb};
        if (sw_vec_push(c->own, &c->values, value) != SW_OK)
            return cli_fail(c, SW_NO_MEMORY);
    }
    return 0;
}

/* Lists add up; of anything else the last one counts, as people expect who add a flag to a line from their history. */
static int set(cli *c, cli_value *value, const char *text, const char *from)
{
    value->text = text;
    value->from = from;
    if (value->option->type == CLI_LIST && sw_vec_push(c->own, &value->list, text) != SW_OK)
        return cli_fail(c, SW_NO_MEMORY);
    return 0;
}

/* Takes the option's argument, behind "=" (`given`) or from the next word. */
static int take(cli *c, cli_value *value, const char *given, const char *shown, char **argv, int argc, int *at)
{
    if (value->option->type == CLI_FLAG) {
        if (given)
            return cli_wrong(c, "%s takes no argument", shown);
        return set(c, value, "true", shown);
    }
    if (!given && *at + 1 >= argc)
        return cli_wrong(c, "%s needs %s", shown, value->option->argument);
    return set(c, value, given ? given : argv[++*at], shown);
}

static int long_option(cli *c, char **argv, int argc, int *at)
{
    const char *word = argv[*at] + 2, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    bool *const asked[] = {&c->wants_help, &c->wants_version, &c->wants_config};
    for (int i = 0; i < 3; i++)
        if (!equals && strcmp(word, asks[i]) == 0)
            return *asked[i] = true, 0;
    for (size_t i = 0; i < c->values.count; i++) {
        cli_value *value = &c->values.items[i];
        if (strlen(value->option->name) == length && strncmp(value->option->name, word, length) == 0)
            return take(c, value, equals ? equals + 1 : NULL, cli_format(c, "--%s", value->option->name), argv, argc,
                        at);
    }
    return unknown_option(c, word, length);
}

static int short_options(cli *c, char **argv, int argc, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter; letter++) {
        cli_value *value = NULL;
        if (*letter == 'h') {
            c->wants_help = true;
            continue;
        }
        for (size_t i = 0; i < c->values.count && !value; i++)
            if (c->values.items[i].option->letter == *letter)
                value = &c->values.items[i];
        if (!value)
            return cli_wrong(c, "unknown option '-%c'", *letter);
        const char *shown = cli_format(c, "-%c", *letter);
        if (value->option->type != CLI_FLAG)
            return take(c, value, letter[1] ? letter + 1 : NULL, shown, argv, argc, at);
        int code = take(c, value, NULL, shown, argv, argc, at);
        if (code)
            return code;
    }
    return 0;
}

/* The first word is the verb; for a verb with actions the second is the action, unless it is none. */
static int word(cli *c, const char *text)
{
    if (!c->verb) {
        if (!(c->verb = cli_verb_named(text)))
            return cli_unknown_verb(c, text);
        return add_options(c, c->verb->options, c->verb);
    }
    if (c->verb->actions && !c->action) {
        const char *names[NAMES_MAX];
        char near[96];
        int count = 0;
        for (const cli_action *a = c->verb->actions; a->name && count < NAMES_MAX; a++) {
            if (strcmp(a->name, text) == 0)
                return c->action = a, 0;
            names[count++] = a->name;
        }
        return cli_wrong(c, "unknown action '%s'%s", text, hint(text, names, count, "", near));
    }
    return sw_vec_push(c->own, &c->arguments, text) == SW_OK ? 0 : cli_fail(c, SW_NO_MEMORY);
}

static int check_count(cli *c)
{
    int least = c->action ? c->action->least : c->verb->least, most = c->action ? c->action->most : c->verb->most;
    const char *arguments = c->action ? c->action->arguments : c->verb->arguments;
    int count = (int)c->arguments.count;
    if (count >= least && (most < 0 || count <= most))
        return 0;
    const char *name = c->action ? cli_format(c, "%s %s", c->verb->name, c->action->name) : c->verb->name;
    if (count < least)
        return cli_wrong(c, "too few arguments; write 'slipway %s %s'", name, arguments);
    return cli_wrong(c, "'%s' is one argument too many; write 'slipway %s%s%s'", c->arguments.items[most], name,
                     *arguments ? " " : "", arguments);
}

int cli_parse(cli *c, int argc, char **argv)
{
    bool options = true;
    int code = add_options(c, cli_globals, NULL);
    for (int i = 1; i < argc && !code; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && strncmp(argv[i], "--", 2) == 0)
            code = long_option(c, argv, argc, &i);
        else if (options && argv[i][0] == '-' && argv[i][1])
            code = short_options(c, argv, argc, &i);
        else
            code = word(c, argv[i]);
    }
    if (code || !c->verb || c->wants_help || c->wants_version || c->wants_config)
        return code;
    if (c->verb->actions && !c->action)
        c->action = c->verb->actions;
    return check_count(c);
}
