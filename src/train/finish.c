/* finish.c: what is left when the last step is done.
 *
 * The weights of the best epoch are taken back, hashed, and looked at once through the test set; then they become a
 * version of a model, with everything that serving needs and the run that made it. A run killed in here begins
 * this part again, from the same checkpoints. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "formats/onnx.h"
#include "train/trainer.h"

/* The hash of the weights */

static sw_status hash_state(sw_sha256 *hash, const sw_state *state)
{
    const sw_tensor *t = sw_state_tensor(state);
    char head[512], dims[200];
    int n = snprintf(head, sizeof head, "%s %s %s\n", sw_state_name(state), sw_dtype_name(sw_tensor_dtype(t)),
                     sw_dims_text(sw_tensor_dims(t), dims, sizeof dims));
    SW_TRY(sw_sha256_add(hash, head, (size_t)n));
    return sw_sha256_add(hash, sw_tensor_data(t), sw_tensor_bytes(t));
}

/* Parameters and statistics of the network, in the order of its layers; not the optimiser's slots. */
static sw_status hash_weights(const sw_network *network, char hex[SW_SHA256_HEX])
{
    sw_sha256 *hash = sw_sha256_new(network->ctx);
    sw_status status = hash != NULL ? SW_OK : sw_alloc_status();
    for (size_t i = 0; status == SW_OK && i < sw_strmap_count(network->states); i++)
        status = hash_state(hash, sw_strmap_at(network->states, i, NULL));
    if (status == SW_OK)
        status = sw_sha256_end(hash, hex);
    sw_sha256_free(hash);
    return status;
}

/* The best weights, back from the store */

static sw_status take_best(sw_trainer *t)
{
    const sw_run_list *list;
    SW_TRY(sw_run_list_read(t->options->store, sw_record_id(t->record), &list));
    sw_status status = sw_trainer_load(t, &list->runs[0], "best", NULL);
    sw_run_list_free(list);
    return status;
}

static sw_status measure(sw_trainer *t)
{
    sw_train_result *r = t->result;
    sw_score validation, test;
    SW_TRY(sw_stepper_score(t->stepper, t->data, SW_SPLIT_VALIDATION, SW_EVAL_BATCH, &validation, t->options->cancel));
    SW_TRY(sw_stepper_score(t->stepper, t->data, SW_SPLIT_TEST, SW_EVAL_BATCH, &test, t->options->cancel));
    r->validation_accuracy = t->shown.validation_accuracy = validation.accuracy;
    r->validation_loss = t->shown.validation_loss = validation.loss;
    r->test_accuracy = t->shown.test_accuracy = test.accuracy;
    r->test_loss = t->shown.test_loss = test.loss;
    if (isfinite(test.accuracy))
        SW_TRY(sw_record_metric(t->record, "test_accuracy", t->at.step, test.accuracy));
    if (isfinite(test.loss))
        SW_TRY(sw_record_metric(t->record, "test_loss", t->at.step, test.loss));
    sw_trainer_tell(t, SW_TRAIN_TESTED);
    return SW_OK;
}

static sw_status record_hashes(sw_trainer *t)
{
    const char *test_hash = sw_dataset_hash(t->data, SW_SPLIT_TEST);
    if (test_hash != NULL && test_hash[0] != '\0')
        SW_TRY(sw_record_tag(t->record, "test_data_hash", test_hash));
    SW_TRY(sw_record_tag(t->record, "weights_sha256", t->result->weights));
    return sw_record_tag(t->record, "last_weights_sha256", t->result->last);
}

/* Registration */

typedef struct port {
    sw_model_port port;
    char shape[256];
} port;

static void describe(const sw_graph *g, sw_value *value, const char *name, port *p)
{
    const sw_type *type = sw_value_type(value);
    size_t used = (size_t)snprintf(p->shape, sizeof p->shape, "[");
    for (int i = 0; i < type->rank && used < sizeof p->shape; i++) {
        char dim[64];
        used += (size_t)snprintf(p->shape + used, sizeof p->shape - used, "%s%s", i > 0 ? ", " : "",
                                 sw_dim_text(g, type->dims[i], dim, sizeof dim));
    }
    if (used < sizeof p->shape)
        snprintf(p->shape + used, sizeof p->shape - used, "]");
    p->port = (sw_model_port){.name = name, .dtype = sw_dtype_name(type->dtype), .shape = p->shape};
}

static sw_status list_classes(sw_trainer *t, const char *const **classes, int *count)
{
    *count = sw_dataset_classes(t->data);
    const char **names = sw_arena_array(t->arena, (size_t)*count, sizeof *names);
    if (names == NULL)
        return sw_alloc_status();
    for (int i = 0; i < *count; i++)
        if ((names[i] = sw_arena_strdup(t->arena, sw_dataset_class_name(t->data, i))) == NULL)
            return sw_alloc_status();
    *classes = names;
    return SW_OK;
}

static int list_metrics(const sw_train_result *r, sw_stored_metric metrics[5])
{
    const sw_stored_metric known[] = {{"test_accuracy", r->test_accuracy},
                                      {"test_loss", r->test_loss},
                                      {"validation_accuracy", r->validation_accuracy},
                                      {"validation_loss", r->validation_loss},
                                      {"parameters", (double)r->parameters}};
    int count = 0;
    for (int i = 0; i < 5; i++)
        if (isfinite(known[i].value))
            metrics[count++] = known[i];
    return count;
}

static sw_status publish(sw_trainer *t, sw_graph *g, const sw_artifact_info *info, const sw_text *onnx)
{
    port input, output;
    describe(g, sw_graph_input(g, 0), sw_network_input_name(t->network), &input);
    describe(g, sw_graph_output(g, 0), sw_network_output_name(t->network), &output);
    sw_stored_metric metrics[5];
    const sw_model_file files[] = {{.name = "model.onnx", .bytes = onnx->data, .size = onnx->size},
                                   {.name = "recipe.yaml", .bytes = t->recipe_text, .size = strlen(t->recipe_text)}};
    sw_publication p = {.size = sizeof p,
                        .model = t->options->register_as,
                        .files = files,
                        .file_count = 2,
                        .inputs = &input.port,
                        .input_count = 1,
                        .outputs = &output.port,
                        .output_count = 1,
                        .classes = info->classes,
                        .class_count = info->class_count,
                        .metrics = metrics,
                        .metric_count = list_metrics(t->result, metrics),
                        .run = sw_record_id(t->record),
                        .alias = t->options->alias};
    return sw_model_publish(t->options->store, &p, &t->result->version);
}

static sw_status export_and_publish(sw_trainer *t, sw_graph *g, sw_text *onnx)
{
    const char *const keys[] = {"slipway.run", "slipway.weights_sha256"};
    const char *const values[] = {sw_record_id(t->record), t->result->weights};
    sw_artifact_info info = {.size = sizeof info, .keys = keys, .values = values, .metadata_count = 2};
    SW_TRY(list_classes(t, &info.classes, &info.class_count));
    SW_TRY(sw_onnx_write(g, &info, onnx));
    return publish(t, g, &info, onnx);
}

static sw_status register_model(sw_trainer *t)
{
    sw_graph *g = NULL;
    sw_text onnx;
    sw_text_init(&onnx, t->ctx);
    sw_status status = sw_network_serving(t->network, &g);
    if (status == SW_OK)
        status = export_and_publish(t, g, &onnx);
    sw_graph_free(g);
    sw_text_free(&onnx);
    if (status != SW_OK)
        return sw_fail_in(status, "registering '%s'", t->options->register_as);
    t->shown.version = t->result->version;
    sw_trainer_tell(t, SW_TRAIN_REGISTERED);
    return SW_OK;
}

sw_status sw_trainer_finish(sw_trainer *t)
{
    SW_TRY(hash_weights(t->network, t->result->last));
    SW_TRY(take_best(t));
    SW_TRY(hash_weights(t->network, t->result->weights));
    SW_TRY(measure(t));
    SW_TRY(record_hashes(t));
    return t->options->register_as != NULL ? register_model(t) : SW_OK;
}
