/* main.c: one invocation of the program, from words to an exit code. */
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "cli/inside.h"
#include "cli/verbs.h"

static int run(cli *c, int argc, char **argv)
{
    int code = cli_parse(c, argc, argv);
    if (code)
        return code;
    if (c->wants_version)
        return cli_verb_version.run(c);
    if (!c->verb || c->wants_help) {
        bool asked = c->wants_help;
        cli_print_help(c->verb, !asked);
        return asked ? 0 : 2;
    }
    if ((code = cli_settle(c)) != 0)
        return code;
    if (c->wants_config)
        return cli_show_config(c);
    return c->action ? c->action->run(c) : c->verb->run(c);
}

/* A result that could not be written whole (a full disk, a closed pipe) is a failure of the work. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    perror("slipway: cannot write the result");
    return code ? code : 1;
}

int main(int argc, char **argv)
{
    cli c = {0};
    c.own = sw_context_create(NULL);
    c.arena = c.own ? sw_arena_new(c.own) : NULL;
    if (!c.arena) {
        fprintf(stderr, "slipway: %s\n", sw_error_text());
        return 1;
    }
    int code = finish(run(&c, argc, argv));
    cli_close(&c);
    return code;
}
