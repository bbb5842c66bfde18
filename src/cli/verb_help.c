/* verb_help.c: help for people, and the same as a man page. */
#include "cli/inside.h"
#include "cli/verbs.h"

static int run(cli *c)
{
    const char *name = cli_arg(c, 0);
    const cli_verb *verb = name ? cli_verb_named(name) : NULL;
    if (name && !verb)
        return cli_unknown_verb(c, name);
    if (cli_flag(c, "man"))
        cli_print_man();
    else
        cli_print_help(verb, false);
    return 0;
}

static const cli_option options[] = {
    {.name = "man", .type = CLI_FLAG, .flag_only = true, .help = "print the man page, as docs/slipway.1 has it"},
    {0},
};

const cli_verb cli_verb_help = {
    .name = "help",
    .arguments = "[VERB]",
    .help = "say how the program or a verb is used",
    .most = 1,
    .options = options,
    .run = run,
};
