/* verbs.c: all verbs, and the options that every verb has. */
#include <stdlib.h>

#include "cli/verbs.h"

/* The user's data folder, as the XDG base directory specification names it. */
static const char *standard_store(cli *c)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && *data)
        return cli_format(c, "%s/slipway", data);
    return home && *home ? cli_format(c, "%s/.local/share/slipway", home) : "slipway-store";
}

/* The user's cache folder, by the same specification. */
const char *cli_model_cache(cli *c)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        return cli_format(c, "%s/slipway/models", cache);
    return home && *home ? cli_format(c, "%s/.cache/slipway/models", home) : "slipway-cache";
}

const cli_option cli_globals[] = {
    {.name = "store",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .computed = standard_store,
     .help = "where runs and models are kept (default: slipway in the user's data folder)"},
    {.name = "json", .type = CLI_FLAG, .help = "print results as one JSON document"},
    {.name = "threads",
     .type = CLI_INT,
     .argument = "N",
     .low = 0,
     .high = 4096,
     .standard = "0",
     .help = "CPUs to use; 0: what affinity and cgroup allow"},
    {.name = "backend",
     .type = CLI_TEXT,
     .argument = "NAME",
     .standard = "cpu",
     .help = "who computes: cpu, or ref, the slow and plain reference"},
    {.name = "topics",
     .type = CLI_TEXT,
     .argument = "LIST",
     .environment = "SLIPWAY_TRACE",
     .help = "what to log in detail, by commas: kernels"},
    {.name = "quiet", .letter = 'q', .type = CLI_FLAG, .help = "say only what went wrong"},
    {.name = "verbose", .letter = 'v', .type = CLI_FLAG, .help = "say more"},
    {.name = "config",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "configuration file (default: slipway/config.yaml in the user's configuration folder)"},
    {0},
};

const cli_verb *const cli_verbs[] = {
    &cli_verb_train,   &cli_verb_eval, &cli_verb_data,   &cli_verb_predict,
    &cli_verb_serve,   &cli_verb_load, &cli_verb_models, &cli_verb_inspect,
    &cli_verb_conform, &cli_verb_ops,  &cli_verb_runs,   &cli_verb_help,
    &cli_verb_version, NULL,
};
