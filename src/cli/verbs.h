/* cli/verbs.h: one row per verb, each defined in its verb_NAME.c and listed in verbs.c. */
#ifndef SW_CLI_VERBS_H
#define SW_CLI_VERBS_H

#include "cli/cli.h"

extern const cli_verb cli_verb_conform;
extern const cli_verb cli_verb_data;
extern const cli_verb cli_verb_eval;
extern const cli_verb cli_verb_help;
extern const cli_verb cli_verb_inspect;
extern const cli_verb cli_verb_load;
extern const cli_verb cli_verb_models;
extern const cli_verb cli_verb_ops;
extern const cli_verb cli_verb_predict;
extern const cli_verb cli_verb_runs;
extern const cli_verb cli_verb_serve;
extern const cli_verb cli_verb_train;
extern const cli_verb cli_verb_version;

/* Where fetched models are kept: slipway/models in the user's cache folder. */
const char *cli_model_cache(cli *c);

#endif
