/* verb_version.c: which Slipway this is. */
#include <stdio.h>

#include "cli/verbs.h"

static int run(cli *c)
{
    if (!cli_json(c)) {
        printf("slipway %s\n", sw_version());
        return 0;
    }
    sw_json_writer *json = cli_json_begin(c, '{');
    sw_json_string(json, "version", sw_version());
    sw_json_string(json, "code", sw_code_version());
    return cli_json_done(c, '}');
}

const cli_verb cli_verb_version = {
    .name = "version",
    .arguments = "",
    .help = "print the version",
    .run = run,
};
