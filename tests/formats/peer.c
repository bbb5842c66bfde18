/* peer.c: our half of the comparisons with other programs (peers.py has theirs).
 *
 *   peer samples DIR      writes NAME.onnx, its input NAME.in.npy and what we compute, NAME.OUTPUT.npy
 *   peer run MODEL DIR    runs MODEL on DIR/INPUT.npy and writes DIR/out.OUTPUT.npy
 *   peer copy IN OUT      reads an .npy, .npz, .safetensors or .json file and writes it again */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "formats/run_graph.h"
#include "formats/sample_graphs.h"
#include "slipway/model.h"

static int fail(void)
{
    fprintf(stderr, "peer: %s\n", sw_error_text());
    return 1;
}

static sw_status write_outputs(sw_graph *g, sw_tensor *const *inputs, const char *stem)
{
    sw_tensor *outputs[32];
    char path[4096];
    if (sw_graph_output_count(g) > 32)
        return SW_INVALID;
    sw_status status = run_graph(g, inputs, outputs);
    for (int i = 0; i < sw_graph_output_count(g); i++) {
        snprintf(path, sizeof path, "%s.%s.npy", stem, sw_graph_output_name(g, i));
        if (status == SW_OK)
            status = sw_npy_write(outputs[i], path);
        sw_tensor_release(outputs[i]);
    }
    return status;
}

static sw_status write_sample(const char *folder, const char *name, sw_graph *g, sw_tensor *input)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    sw_status status = sw_artifact_write(g, NULL, path);
    snprintf(path, sizeof path, "%s/%s.in.npy", folder, name);
    if (status == SW_OK)
        status = sw_npy_write(input, path);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (status == SW_OK)
        status = write_outputs(g, &input, path);
    sw_tensor_release(input);
    sw_graph_free(g);
    return status;
}

static sw_status samples(sw_context *ctx, const char *folder)
{
    char path[4096];
    sw_graph *decoder = decoder_graph(ctx); /* for the checker only: ONNX Runtime decodes no pictures */
    snprintf(path, sizeof path, "%s/decoder.onnx", folder);
    sw_status status = sw_artifact_write(decoder, NULL, path);
    sw_graph_free(decoder);
    SW_TRY(status);
    SW_TRY(write_sample(folder, "picture_net", picture_net(ctx), random_tensor(ctx, SW_U8, SW_DIMS(5, 12, 12, 1), 3)));
    for (int i = 0; i < 2; i++)
        SW_TRY(write_sample(folder, i ? "normed_antialias" : "normed", normed_net(ctx, i),
                            random_tensor(ctx, SW_U8, SW_DIMS(2, 9, 7, 3), 4)));
    return write_sample(folder, "many_rows", many_rows(ctx), random_tensor(ctx, SW_F32, SW_DIMS(2, 3, 4), 1));
}

static sw_status run_model(sw_context *ctx, const char *model, const char *folder)
{
    sw_artifact *a;
    char path[4096];
    sw_tensor *inputs[32] = {NULL};
    SW_TRY(sw_artifact_open(ctx, model, &a));
    sw_graph *g = sw_artifact_graph(a);
    sw_status status = SW_OK;
    for (int i = 0; i < sw_graph_input_count(g) && i < 32 && status == SW_OK; i++) {
        snprintf(path, sizeof path, "%s/%s.npy", folder, sw_value_name(sw_graph_input(g, i)));
        status = sw_npy_read(ctx, path, &inputs[i]);
    }
    snprintf(path, sizeof path, "%s/out", folder);
    if (status == SW_OK)
        status = write_outputs(g, inputs, path);
    for (int i = 0; i < 32; i++)
        sw_tensor_release(inputs[i]);
    sw_artifact_close(a);
    return status;
}

static bool ends(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

static sw_status copy(sw_context *ctx, const char *in, const char *out)
{
    sw_named_tensor *tensors = NULL;
    int count = 0;
    if (ends(in, ".npy")) {
        sw_tensor *tensor;
        SW_TRY(sw_npy_read(ctx, in, &tensor));
        sw_status status = sw_npy_write(tensor, out);
        sw_tensor_release(tensor);
        return status;
    }
    SW_TRY(ends(in, ".npz")    ? sw_npz_read(ctx, in, &tensors, &count)
           : ends(in, ".json") ? sw_json_parameters_read(ctx, in, &tensors, &count)
                               : sw_safetensors_read(ctx, in, &tensors, &count));
    sw_status status = ends(out, ".npz")    ? sw_npz_write(ctx, tensors, count, out)
                       : ends(out, ".json") ? sw_json_parameters_write(ctx, tensors, count, out)
                                            : sw_safetensors_write(ctx, tensors, count, NULL, NULL, 0, out);
    sw_npz_free(ctx, tensors, count);
    return status;
}

int main(int argc, char **argv)
{
    sw_context *ctx = sw_context_new(NULL);
    sw_status status = SW_INVALID;
    if (!ctx)
        return fail();
    if (argc == 3 && strcmp(argv[1], "samples") == 0)
        status = samples(ctx, argv[2]);
    else if (argc == 4 && strcmp(argv[1], "run") == 0)
        status = run_model(ctx, argv[2], argv[3]);
    else if (argc == 4 && strcmp(argv[1], "copy") == 0)
        status = copy(ctx, argv[2], argv[3]);
    int code = status == SW_OK ? 0 : fail();
    sw_context_free(ctx);
    return code;
}
