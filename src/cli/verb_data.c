/* verb_data.c: looking at data sets: what is in them, and single samples as pictures or arrays. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/picture.h"
#include "cli/verbs.h"
#include "slipway/data.h"

static sw_dataset *open_data(cli *c)
{
    if (!cli_context(c))
        return NULL;
    return sw_dataset_open(cli_context(c), cli_arg(c, 0),
                           &(sw_dataset_options){.size = sizeof(sw_dataset_options),
                                                 .folder = cli_text(c, "data-folder"),
                                                 .validation = -1});
}

/* ---- info ---- */

static const char *dims_text(cli *c, sw_dims dims)
{
    const char *text = "[";
    for (int i = 0; i < dims.rank; i++)
        text = cli_format(c, "%s%s%lld", text, i ? ", " : "", (long long)dims.dim[i]);
    return cli_format(c, "%s]", text);
}

struct info {
    const char *name, *x, *dims, *classes;
    int64_t counts[SW_SPLIT_COUNT];
    const char *hash;
};

static sw_status read_info(cli *c, sw_dataset *data, struct info *info)
{
    info->name = sw_dataset_name(data);
    info->x = sw_dtype_name(sw_dataset_x_dtype(data));
    info->dims = dims_text(c, sw_dataset_x_dims(data));
    info->hash = sw_dataset_hash(data, SW_SPLIT_TRAIN);
    info->classes = "";
    for (int i = 0; i < sw_dataset_classes(data); i++)
        info->classes = cli_format(c, "%s%s%s", info->classes, i ? ", " : "", sw_dataset_class_name(data, i));
    for (int i = 0; i < SW_SPLIT_COUNT; i++)
        SW_TRY(sw_dataset_count(data, (sw_data_split)i, &info->counts[i]));
    return SW_OK;
}

static int run_info(cli *c)
{
    struct info info;
    sw_dataset *data = open_data(c);
    if (!data)
        return cli_fail(c, SW_INVALID);
    sw_status status = read_info(c, data, &info);
    int code = 0;
    if (status != SW_OK)
        code = cli_fail(c, status);
    else if (cli_json(c)) {
        sw_json_writer *json = cli_json_begin(c, '{');
        sw_json_string(json, "name", info.name);
        sw_json_string(json, "dtype", info.x);
        sw_json_string(json, "dims", info.dims);
        for (int i = 0; i < SW_SPLIT_COUNT; i++)
            sw_json_int(json, sw_data_split_name((sw_data_split)i), info.counts[i]);
        sw_json_open(json, "classes", '[');
        for (int i = 0; i < sw_dataset_classes(data); i++)
            sw_json_string(json, NULL, sw_dataset_class_name(data, i));
        sw_json_close(json, ']');
        sw_json_string(json, "sha256", info.hash);
        code = cli_json_done(c, '}');
    } else {
        printf("%s\nsamples   %s %s\n", info.name, info.x, info.dims);
        for (int i = 0; i < SW_SPLIT_COUNT; i++)
            printf("%-11s%lld\n", sw_data_split_name((sw_data_split)i), (long long)info.counts[i]);
        if (*info.classes)
            printf("classes   %s\n", info.classes);
        printf("sha256    %s (training part)\n", info.hash);
    }
    sw_dataset_close(data);
    return code;
}

/* ---- show ---- */

static sw_status show(cli *c, sw_dataset *data, const sw_tensor *x, const sw_tensor *y, int64_t index)
{
    sw_dims dims = sw_tensor_dims(x);
    const char *out = cli_text(c, "output");
    const char *dot = out ? strrchr(out, '.') : NULL;
    bool array = dot && strcmp(dot, ".npy") == 0;
    int label = sw_dataset_classes(data) ? (int)sw_tensor_get_int(y, 0) : -1;
    if (array)
        SW_TRY(sw_npy_write(x, out));
    else if (!sw_dataset_is_pictures(data))
        return sw_fail(SW_UNSUPPORTED, "%s: its samples are no pictures; write one with -o FILE.npy",
                       sw_dataset_name(data));
    if (sw_dataset_is_pictures(data)) {
        cli_picture picture = {sw_tensor_data(x), (int)dims.dim[0], (int)dims.dim[1], (int)dims.dim[2]};
        if (out && !array)
            SW_TRY(cli_picture_write(cli_context(c), &picture, out));
        if (!cli_json(c) && !cli_flag(c, "quiet"))
            cli_picture_draw(&picture);
    }
    if (cli_json(c)) {
        sw_json_writer *json = cli_json_begin(c, '{');
        sw_json_int(json, "index", index);
        sw_json_int(json, "label", label);
        sw_json_string(json, "class", label >= 0 ? sw_dataset_class_name(data, label) : NULL);
        cli_json_done(c, '}');
    } else if (label >= 0)
        printf("%s\n", sw_dataset_class_name(data, label));
    return SW_OK;
}

static int run_show(cli *c)
{
    char *end;
    errno = 0;
    int64_t index = strtoll(cli_arg(c, 1), &end, 10);
    if (*end || end == cli_arg(c, 1) || errno || index < 0)
        return cli_wrong(c, "'%s' is no sample's number; they begin at 0", cli_arg(c, 1));
    sw_dataset *data = open_data(c);
    if (!data)
        return cli_fail(c, SW_INVALID);
    sw_tensor *x = NULL, *y = NULL;
    sw_status status = sw_dataset_sample(data, sw_dataset_split(data), index, &x, &y);
    if (status == SW_OK)
        status = show(c, data, x, y, index);
    sw_tensor_release(x);
    sw_tensor_release(y);
    sw_dataset_close(data);
    return status == SW_OK ? 0 : cli_fail(c, status);
}

static const cli_option options[] = {
    {.name = "data-folder",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .environment = "SLIPWAY_DATA_FOLDER",
     .help = "where the files of a known data set lie"},
    {.name = "output",
     .letter = 'o',
     .type = CLI_TEXT,
     .argument = "FILE",
     .flag_only = true,
     .help = "show: also write the sample, as .png, .pgm, .ppm or .npy"},
    {0},
};

static const cli_action actions[] = {
    {"info", "DATA", "samples, types, classes and hash of a data set", 1, 1, run_info},
    {"show", "DATA[:SPLIT] INDEX", "draw one sample in the terminal and name its class", 2, 2, run_show},
    {0},
};

const cli_verb cli_verb_data = {
    .name = "data",
    .arguments = "ACTION",
    .help = "look at data sets",
    .details = "DATA is a known set (fashion-mnist, mnist) or a YAML file whose data: says which. SPLIT is train,\n"
               "validation or test.",
    .example = "slipway data show fashion-mnist:test 17 -o boot.png",
    .options = options,
    .actions = actions,
};
