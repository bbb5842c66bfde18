/* cli/cli.h: what a verb of the program is, and what it may ask for.
 *
 * A verb is one row: name, texts, options, function; one file verb_NAME.c each, listed in verbs.c. The rows drive
 * parsing, the configuration file, `slipway help`, the man page and the tests, so nothing about a verb is written
 * twice. Every option is also a setting: flag > environment > configuration file > built-in.
 *
 *     --listen ADDRESS of `serve`  =  SLIPWAY_SERVE_LISTEN  =  serve: {listen: ADDRESS} in config.yaml
 *     --threads N of every verb    =  SLIPWAY_THREADS       =  threads: N
 *
 * This is the only room that reads the environment, prints, and ends the process. Exit codes: 0 done, 1 the work
 * failed (cli_fail), 2 the command line or a setting was wrong (cli_wrong). Uses: all rooms. */
#ifndef SW_CLI_CLI_H
#define SW_CLI_CLI_H

#include "base/text.h"
#include "slipway/base.h"
#include "slipway/store.h"

typedef struct cli cli;

typedef enum cli_type {
    CLI_FLAG,   /* no argument; cli_flag */
    CLI_TEXT,   /* cli_text */
    CLI_INT,    /* cli_int, within low and high */
    CLI_NUMBER, /* cli_number, within low and high */
    CLI_LIST    /* may be given again and again; cli_list */
} cli_type;

typedef struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* "-n"; 0: none */
    cli_type type;
    const char *argument;            /* "FILE"; NULL for a flag */
    const char *standard;            /* built-in value as text; NULL: none (NULL, 0, false, empty) */
    const char *help;                /* a phrase, no full stop */
    double low, high;                /* inclusive, for INT and NUMBER when low < high */
    const char *environment;         /* when it is not SLIPWAY_VERB_NAME */
    bool flag_only;                  /* makes no sense in a file or the environment */
    const char *(*computed)(cli *c); /* a built-in value that depends on the machine */
} cli_option;

/* `slipway models rm …`: the first argument chooses. */
typedef struct cli_action {
    const char *name, *arguments, *help;
    int least, most; /* arguments behind the action's name; most -1: any number */
    int (*run)(cli *c);
} cli_action;

typedef struct cli_verb {
    const char *name;
    const char *arguments;     /* "MODEL…"; "" */
    const char *help;          /* one line, no full stop */
    const char *details;       /* paragraphs for `help VERB` and the man page, a blank line between; may be NULL */
    const char *example;       /* one command line; may be NULL */
    int least, most;           /* arguments; most -1: any number. Not looked at with actions */
    const cli_option *options; /* ended by a row without a name; may be NULL */
    const cli_action *actions; /* ended by a row without a name; the first is the one when none is named; may be NULL */
    int (*run)(cli *c);        /* the exit code; NULL with actions */
} cli_verb;

/* verbs.c: every verb, in the order of `slipway help`; ended by NULL. */
extern const cli_verb *const cli_verbs[];
extern const cli_option cli_globals[];

/* ---- What was asked for ---- */

int cli_arg_count(const cli *c);              /* behind the verb and its action */
const char *cli_arg(const cli *c, int index); /* NULL behind the last */
/* By an option's name, the verb's or a global one. Texts live as long as `c`. */
bool cli_flag(const cli *c, const char *name);
const char *cli_text(const cli *c, const char *name); /* NULL when not given and without built-in */
int64_t cli_int(const cli *c, const char *name);
double cli_number(const cli *c, const char *name);
int cli_list(const cli *c, const char *name, const char *const **items); /* the count */
bool cli_given(const cli *c, const char *name);                          /* by flag, environment or file */
#define cli_json(c) cli_flag((c), "json")

/* ---- What a verb works with ---- */

/* The context of this invocation, made at the first call from --threads, --backend and --topics; log lines go to
 * stderr. NULL on failure: return cli_fail. Released by the frame. */
sw_context *cli_context(cli *c);
/* For the verb's own lists and texts: released by the frame. NULL without text only when there is no memory. */
struct sw_arena *cli_arena(cli *c);
/* The store of --store, opened at the first call. Released by the frame. */
sw_status cli_store(cli *c, bool read_only, sw_store **store);
/* Requested by SIGINT and SIGTERM from the first call on; a second signal ends the process at once. */
sw_cancel *cli_cancel(cli *c);

/* ---- What a verb says ---- */

/* "slipway: <this thread's error text>" on stderr; returns 1. */
int cli_fail(cli *c, sw_status status);
/* "slipway VERB: <format>; see 'slipway help VERB'" on stderr; returns 2. */
int cli_wrong(cli *c, const char *format, ...) SW_PRINTF(2, 3);
/* A line on stderr for people, silent with -q. */
void cli_note(cli *c, const char *format, ...) SW_PRINTF(2, 3);
/* A JSON document to be filled; cli_json_done prints it with a newline and returns the exit code. */
sw_json_writer *cli_json_begin(cli *c, char bracket);
int cli_json_done(cli *c, char bracket);

/* A table on stdout with aligned columns: cli_table_row(c, "NAME", "VERSION", NULL) for each row, the first being the
 * headings, then cli_table_done. Texts are copied. */
void cli_table_row(cli *c, const char *first, ...) __attribute__((sentinel));
int cli_table_done(cli *c); /* the exit code */

/* "2026-12-01 09:30" in local time */
const char *cli_time(cli *c, int64_t wall_ms);
const char *cli_format(cli *c, const char *format, ...) SW_PRINTF(2, 3); /* never NULL; in the arena */

#endif
