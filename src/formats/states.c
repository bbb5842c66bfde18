/* states.c: the named states of a graph as a parameter file, and back.
 *
 * Reading is all or nothing: every name, dtype and shape is checked before the first state changes. */
#include <string.h>

#include "base/vec.h"
#include "slipway/model.h"

enum form { FORM_UNKNOWN, FORM_SAFETENSORS, FORM_NPZ, FORM_JSON };

static sw_status form_of(const char *path, enum form *found)
{
    static const struct {
        const char *ending;
        enum form form;
    } known[] = {{".safetensors", FORM_SAFETENSORS}, {".npz", FORM_NPZ}, {".json", FORM_JSON}};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t ending = strlen(known[i].ending);
        if (length > ending && strcmp(path + length - ending, known[i].ending) == 0) {
            *found = known[i].form;
            return SW_OK;
        }
    }
    return sw_fail(SW_INVALID, "%s: parameters are kept in .safetensors, .npz or .json", path);
}

static bool wanted(const sw_state *state, bool trainable_only) { return !trainable_only || sw_state_trainable(state); }

sw_status sw_states_write(sw_graph *g, bool trainable_only, const char *path)
{
    enum form form = FORM_UNKNOWN;
    SW_TRY(form_of(path, &form));
    sw_context *ctx = sw_graph_context(g);
    int total = sw_graph_state_count(g), count = 0;
    sw_named_tensor *tensors = sw_alloc_array(ctx, (size_t)total, sizeof *tensors);
    if (!tensors)
        return sw_alloc_status();
    for (int i = 0; i < total; i++) {
        sw_state *state = sw_graph_state(g, i);
        if (wanted(state, trainable_only))
            tensors[count++] = (sw_named_tensor){(char *)sw_state_name(state), sw_state_tensor(state)};
    }
    sw_status status = form == FORM_SAFETENSORS ? sw_safetensors_write(ctx, tensors, count, NULL, NULL, 0, path)
                       : form == FORM_NPZ       ? sw_npz_write(ctx, tensors, count, path)
                                                : sw_json_parameters_write(ctx, tensors, count, path);
    sw_free(ctx, tensors);
    return status;
}

static sw_tensor *find(const sw_named_tensor *tensors, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return tensors[i].tensor;
    return NULL;
}

static sw_status check(const char *path, const sw_state *state, const sw_tensor *tensor)
{
    char have[256], need[256];
    const sw_tensor *own = sw_state_tensor(state);
    if (!tensor)
        return sw_fail(SW_NOT_FOUND, "%s: holds no '%s'", path, sw_state_name(state));
    if (sw_tensor_dtype(tensor) != sw_tensor_dtype(own) || !sw_dims_equal(sw_tensor_dims(tensor), sw_tensor_dims(own)))
        return sw_fail(SW_SHAPE, "%s: '%s' is %s%s, needs %s%s", path, sw_state_name(state),
                       sw_dtype_name(sw_tensor_dtype(tensor)), sw_dims_text(sw_tensor_dims(tensor), have, sizeof have),
                       sw_dtype_name(sw_tensor_dtype(own)), sw_dims_text(sw_tensor_dims(own), need, sizeof need));
    return SW_OK;
}

static sw_status check_no_stranger(sw_graph *g, bool trainable_only, const char *path, const sw_named_tensor *tensors,
                                   int count)
{
    for (int i = 0; i < count; i++) {
        bool known = false;
        for (int k = 0; k < sw_graph_state_count(g) && !known; k++) {
            sw_state *state = sw_graph_state(g, k);
            known = wanted(state, trainable_only) && strcmp(sw_state_name(state), tensors[i].name) == 0;
        }
        if (!known)
            return sw_fail(SW_INVALID, "%s: holds '%s', which the graph does not have", path, tensors[i].name);
    }
    return SW_OK;
}

static sw_status take(sw_graph *g, bool trainable_only, const char *path, const sw_named_tensor *tensors, int count)
{
    SW_TRY(check_no_stranger(g, trainable_only, path, tensors, count));
    for (int changing = 0; changing < 2; changing++) {
        for (int i = 0; i < sw_graph_state_count(g); i++) {
            sw_state *state = sw_graph_state(g, i);
            if (!wanted(state, trainable_only))
                continue;
            sw_tensor *tensor = find(tensors, count, sw_state_name(state));
            SW_TRY(changing ? sw_state_set(state, tensor) : check(path, state, tensor));
        }
    }
    return SW_OK;
}

sw_status sw_states_read(sw_graph *g, bool trainable_only, const char *path)
{
    enum form form = FORM_UNKNOWN;
    sw_named_tensor *tensors;
    int count;
    SW_TRY(form_of(path, &form));
    sw_context *ctx = sw_graph_context(g);
    SW_TRY(form == FORM_SAFETENSORS ? sw_safetensors_read(ctx, path, &tensors, &count)
           : form == FORM_NPZ       ? sw_npz_read(ctx, path, &tensors, &count)
                                    : sw_json_parameters_read(ctx, path, &tensors, &count));
    sw_status status = take(g, trainable_only, path, tensors, count);
    sw_npz_free(ctx, tensors, count);
    return status;
}
