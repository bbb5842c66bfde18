/* model.c: a file becomes a model, whatever made it.
 *
 * The format is told by the bytes and not by the name. ONNX has no magic, so what is no other format and parses as a
 * model is one. The artifact keeps texts in its arena; the weights belong to the graph, which keeps the file mapped. */
#include <string.h>

#include "base/doc.h"
#include "formats/onnx.h"
#include "formats/onnx_inside.h"

struct sw_artifact {
    sw_context *ctx;
    sw_arena *arena;
    sw_graph *graph;
    onnx_model model;
    const char *producer;
    const char **classes;
    int class_count;
    const onnx_entry **metadata; /* without our own keys */
    int metadata_count;
};

static sw_status read_classes(sw_artifact *a, const char *json)
{
    sw_doc *doc;
    if (sw_doc_json(a->arena, ONNX_CLASSES_KEY, json, strlen(json), &doc) != SW_OK || doc->kind != SW_DOC_LIST)
        return sw_fail(SW_CORRUPT, "its class names (%s) are no JSON list", ONNX_CLASSES_KEY);
    a->classes = sw_arena_array(a->arena, (size_t)doc->count, sizeof *a->classes);
    if (!a->classes)
        return sw_alloc_status();
    for (int i = 0; i < doc->count; i++) {
        if (doc->items[i]->kind != SW_DOC_STRING)
            return sw_fail(SW_CORRUPT, "its class name %d (%s) is no text", i, ONNX_CLASSES_KEY);
        a->classes[a->class_count++] = doc->items[i]->string;
    }
    return SW_OK;
}

static sw_status read_metadata(sw_artifact *a)
{
    a->metadata = sw_arena_array(a->arena, (size_t)a->model.metadata_count, sizeof *a->metadata);
    a->producer = sw_arena_format(a->arena, "%s%s%s", a->model.producer, *a->model.producer_version ? " " : "",
                                  a->model.producer_version);
    if (!a->metadata || !a->producer)
        return sw_alloc_status();
    for (int i = 0; i < a->model.metadata_count; i++) {
        if (strcmp(a->model.metadata[i].key, ONNX_CLASSES_KEY) == 0)
            SW_TRY(read_classes(a, a->model.metadata[i].value));
        else
            a->metadata[a->metadata_count++] = &a->model.metadata[i];
    }
    return SW_OK;
}

/* A name for what the bytes are when they are no protobuf. */
static const char *other_format(const uint8_t *bytes, size_t size)
{
    static const struct {
        size_t at;
        const char *magic, *name;
    } known[] = {{0, "\x93NUMPY", "an .npy array"},
                 {0, "PK\3\4", "a ZIP archive (.npz, PyTorch or Keras)"},
                 {0, "\x89HDF\r\n", "an HDF5 file (Keras)"},
                 {4, "TFL3", "a TensorFlow Lite model"},
                 {8, "{\"", "a safetensors file: parameters without a graph"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].magic);
        if (size >= known[i].at + length && memcmp(bytes + known[i].at, known[i].magic, length) == 0)
            return known[i].name;
    }
    return NULL;
}

/* A ModelProto begins with the tag of one of its fields: ir_version nearly always. */
static bool begins_like_onnx(uint8_t first)
{
    static const uint8_t tags[] = {0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72};
    return memchr(tags, first, sizeof tags) != NULL;
}

static sw_status open_mapping(sw_artifact *a, sw_mapping *mapping, const char *name, const char *folder)
{
    size_t size;
    const uint8_t *bytes = sw_mapping_bytes(mapping, &size);
    const char *other = other_format(bytes, size);
    if (other)
        return sw_fail(SW_UNSUPPORTED, "%s: is %s; models are read from ONNX", name, other);
    if (size == 0)
        return sw_fail(SW_CORRUPT, "%s: is empty", name);
    if (!begins_like_onnx(bytes[0]))
        return sw_fail(SW_UNSUPPORTED, "%s: is no model of a format that is read (ONNX)", name);
    SW_TRY(onnx_parse(a->arena, name, bytes, size, &a->model));
    sw_status status = read_metadata(a);
    if (status != SW_OK)
        return sw_fail_in(status, "%s", name);
    return onnx_read_model(mapping, name, folder, &a->model, &a->graph);
}

/* Takes the mapping's reference over. */
static sw_status open_artifact(sw_context *ctx, sw_mapping *mapping, const char *name, const char *folder,
                               sw_artifact **artifact)
{
    sw_artifact *a = sw_alloc_zero(ctx, sizeof *a);
    if (a)
        *a = (sw_artifact){.ctx = ctx, .arena = sw_arena_new(ctx)};
    /* The parsed structs keep the name, and messages may come later than the caller's text lives. */
    const char *kept = a && a->arena ? sw_arena_strdup(a->arena, name) : NULL;
    sw_status status = kept ? open_mapping(a, mapping, kept, folder) : sw_alloc_status();
    sw_mapping_release(mapping);
    if (status == SW_OK)
        *artifact = a;
    else
        sw_artifact_close(a);
    return status;
}

sw_status sw_artifact_open(sw_context *ctx, const char *path, sw_artifact **artifact)
{
    sw_mapping *mapping;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? sw_strndup(ctx, path, slash == path ? 1 : (size_t)(slash - path)) : sw_strdup(ctx, ".");
    if (!folder)
        return sw_alloc_status();
    sw_status status = sw_mapping_open(ctx, path, &mapping);
    if (status == SW_OK)
        status = open_artifact(ctx, mapping, path, folder, artifact);
    sw_free(ctx, folder);
    return status;
}

sw_status sw_artifact_open_bytes(sw_context *ctx, const char *name, const void *bytes, size_t size, bool copy,
                                 sw_artifact **artifact)
{
    sw_mapping *mapping = copy ? sw_mapping_copying(ctx, bytes, size) : sw_mapping_borrow(ctx, bytes, size);
    return mapping ? open_artifact(ctx, mapping, name, NULL, artifact) : sw_alloc_status();
}

void sw_artifact_close(sw_artifact *artifact)
{
    if (!artifact)
        return;
    sw_graph_free(artifact->graph);
    sw_arena_free(artifact->arena);
    sw_free(artifact->ctx, artifact);
}

sw_graph *sw_artifact_graph(const sw_artifact *artifact) { return artifact->graph; }

sw_graph *sw_artifact_take_graph(sw_artifact *artifact)
{
    sw_graph *graph = artifact->graph;
    artifact->graph = NULL;
    return graph;
}

const char *sw_artifact_format(const sw_artifact *artifact)
{
    (void)artifact;
    return "onnx";
}

const char *sw_artifact_producer(const sw_artifact *artifact) { return artifact->producer; }
int sw_artifact_class_count(const sw_artifact *artifact) { return artifact->class_count; }

const char *sw_artifact_class(const sw_artifact *artifact, int index)
{
    return index >= 0 && index < artifact->class_count ? artifact->classes[index] : "";
}

int sw_artifact_metadata_count(const sw_artifact *artifact) { return artifact->metadata_count; }

const char *sw_artifact_metadata_at(const sw_artifact *artifact, int index, const char **key)
{
    if (index < 0 || index >= artifact->metadata_count)
        return NULL;
    if (key)
        *key = artifact->metadata[index]->key;
    return artifact->metadata[index]->value;
}

const char *sw_artifact_metadata(const sw_artifact *artifact, const char *key)
{
    for (int i = 0; i < artifact->metadata_count; i++)
        if (strcmp(artifact->metadata[i]->key, key) == 0)
            return artifact->metadata[i]->value;
    return NULL;
}

static sw_status to_file(void *user, const void *bytes, size_t size) { return sw_file_add(user, bytes, size); }

sw_status sw_artifact_write(sw_graph *g, const sw_artifact_info *info, const char *path)
{
    sw_file_writer *file;
    if (!g)
        return sw_fail(SW_INVALID, "%s: no graph to write", path);
    SW_TRY(sw_file_begin(sw_graph_context(g), path, &file));
    sw_status status = sw_onnx_write_to(g, info, to_file, file);
    if (status == SW_OK)
        return sw_file_commit(file);
    sw_file_abort(file);
    return sw_fail_in(status, "%s", path);
}
