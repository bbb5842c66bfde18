/* cli/inside.h: what the frame's own files share; verbs use cli.h only. */
#ifndef SW_CLI_INSIDE_H
#define SW_CLI_INSIDE_H

#include "base/arena.h"
#include "base/vec.h"
#include "cli/cli.h"

/* One option as it came out, and who said so. */
typedef struct cli_value {
    const cli_option *option;
    const cli_verb *verb; /* NULL: a global option */
    const char *text;     /* NULL: not set. A flag: "true" or "false" */
    const char *from;     /* "--name", "SLIPWAY_NAME", "config.yaml:3", "built-in"; NULL when not set */
    sw_vec(const char *) list;
} cli_value;

typedef sw_vec(const char *) cli_row;

struct cli {
    const cli_verb *verb;
    const cli_action *action;
    sw_vec(const char *) arguments;
    sw_vec(cli_value) values;
    bool wants_help, wants_version, wants_config;
    sw_context *own; /* for what the frame itself keeps */
    sw_arena *arena;
    sw_context *ctx;
    sw_store *store;
    sw_cancel *cancel;
    sw_text json_text;
    sw_json_writer json;
    sw_vec(cli_row) rows;
};

/* parse.c: the command line into verb, arguments and values; 0, or the exit code after a complaint. */
int cli_parse(cli *c, int argc, char **argv);
cli_value *cli_value_named(const cli *c, const char *name); /* NULL when there is no such option */
const cli_verb *cli_verb_named(const char *name);
int cli_unknown_verb(cli *c, const char *name);

/* settings.c: fills what the command line left open from environment, file and built-in values; checks them all. */
int cli_settle(cli *c);
int cli_show_config(cli *c);

/* help.c */
void cli_print_help(const cli_verb *verb, bool to_stderr); /* NULL: the program */
void cli_print_man(void);

/* session.c */
void cli_close(cli *c);

#endif
