/* verb_eval.c: how good a model is on data it was not trained on. */
#include <math.h>
#include <stdio.h>

#include "cli/verbs.h"
#include "slipway/train.h"

static double share(const sw_eval_result *r, int label)
{
    int64_t all = 0;
    for (int i = 0; i < r->classes; i++)
        all += r->confusion[label * r->classes + i];
    return all > 0 ? (double)r->confusion[label * r->classes + label] / (double)all : NAN;
}

/* The class that `label` is most often taken for; -1 when it is never mistaken. */
static int mistaken_for(const sw_eval_result *r, int label)
{
    int worst = -1;
    int64_t most = 0;
    for (int i = 0; i < r->classes; i++)
        if (i != label && r->confusion[label * r->classes + i] > most) {
            most = r->confusion[label * r->classes + i];
            worst = i;
        }
    return worst;
}

static int print_json(cli *c, const sw_eval_result *r, const sw_dataset *data)
{
    sw_json_writer *json = cli_json_begin(c, '{');
    sw_json_string(json, "model", cli_arg(c, 0));
    if (r->version > 0)
        sw_json_int(json, "version", r->version);
    sw_json_string(json, "data", cli_text(c, "data"));
    sw_json_int(json, "samples", r->samples);
    if (r->confusion)
        sw_json_int(json, "correct", r->correct);
    sw_json_double(json, "accuracy", r->accuracy);
    sw_json_double(json, "loss", r->loss);
    sw_json_double(json, "seconds", r->seconds);
    if (r->confusion) {
        sw_json_open(json, "classes", '[');
        for (int i = 0; i < r->classes; i++) {
            sw_json_open(json, NULL, '{');
            sw_json_string(json, "name", sw_dataset_class_name(data, i));
            sw_json_double(json, "recall", share(r, i));
            sw_json_open(json, "answers", '[');
            for (int j = 0; j < r->classes; j++)
                sw_json_int(json, NULL, r->confusion[i * r->classes + j]);
            sw_json_close(json, ']');
            sw_json_close(json, '}');
        }
        sw_json_close(json, ']');
    }
    return cli_json_done(c, '}');
}

static int print_text(cli *c, const sw_eval_result *r, const sw_dataset *data)
{
    printf("samples   %lld\n", (long long)r->samples);
    if (isfinite(r->accuracy))
        printf("accuracy  %.4f\n", r->accuracy);
    printf("loss      %.4f\n", r->loss);
    if (!r->confusion)
        return 0;
    putchar('\n');
    cli_table_row(c, "CLASS", "RECALL", "MOST OFTEN TAKEN FOR", NULL);
    for (int i = 0; i < r->classes; i++) {
        int other = mistaken_for(r, i);
        const char *name = cli_format(c, "%s", sw_dataset_class_name(data, i));
        cli_table_row(c, name, cli_format(c, "%.4f", share(r, i)),
                      other >= 0 ? cli_format(c, "%s", sw_dataset_class_name(data, other)) : "", NULL);
    }
    return cli_table_done(c);
}

static int run(cli *c)
{
    sw_store *store = NULL;
    sw_eval_result result;
    if (!cli_text(c, "data"))
        return cli_wrong(c, "needs --data, such as --data fashion-mnist:test");
    sw_context *ctx = cli_context(c);
    if (!ctx)
        return cli_fail(c, SW_NO_MEMORY);
    sw_dataset_options data_options = {
        .size = sizeof data_options, .folder = cli_text(c, "data-folder"), .validation = -1};
    sw_dataset *data = sw_dataset_open(ctx, cli_text(c, "data"), &data_options);
    if (!data)
        return cli_fail(c, SW_NOT_FOUND);
    sw_status status = cli_store(c, false, &store);
    if (status == SW_OK)
        status = sw_evaluate(ctx,
                             &(sw_eval_options){.size = sizeof(sw_eval_options),
                                                .model = cli_arg(c, 0),
                                                .store = store,
                                                .data = data,
                                                .split = sw_dataset_split(data),
                                                .batch = cli_int(c, "batch"),
                                                .cancel = cli_cancel(c)},
                             &result);
    int code = status != SW_OK ? cli_fail(c, status)
               : cli_json(c)   ? print_json(c, &result, data)
                               : print_text(c, &result, data);
    if (status == SW_OK)
        sw_eval_free(ctx, &result);
    sw_dataset_close(data);
    return code;
}

static const cli_option options[] = {
    {.name = "data",
     .type = CLI_TEXT,
     .argument = "NAME:SPLIT",
     .flag_only = true,
     .help = "a known set or a recipe's file, and train, validation or test: fashion-mnist:test"},
    {.name = "data-folder",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .environment = "SLIPWAY_DATA_FOLDER",
     .help = "where the files of a known data set lie"},
    {.name = "batch",
     .type = CLI_INT,
     .argument = "N",
     .standard = "250",
     .low = 1,
     .high = 1 << 20,
     .help = "samples at once"},
    {0},
};

const cli_verb cli_verb_eval = {
    .name = "eval",
    .arguments = "MODEL",
    .help = "measure a model on a data set",
    .details = "MODEL is an .onnx file, or name, name:version or name@alias in the store.",
    .example = "slipway eval fashion@production --data fashion-mnist:test",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run,
};
