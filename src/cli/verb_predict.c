/* verb_predict.c: one question to a model, here or at a server.
 *
 * Both ways lead to the same answer, a document of the server's protocols (a model here is asked through the server's
 * own reader and writer), which is then printed for people or as it is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/doc.h"
#include "base/file.h"
#include "cli/verbs.h"
#include "net/fetch.h"
#include "serve/loaded.h"
#include "serve/sources.h"
#include "tensor/dtype.h"

enum { PICTURE_BYTES_MAX = 64 << 20, SHOWN_MAX = 32 };

/* The model that is asked: a server's address, or a version loaded here. */
typedef struct target {
    const char *server; /* "http://host:port"; NULL: here */
    char name[129];
    sw_loaded *version;
} target;

/* ---- the target ---- */

/* "http://host:port/…/NAME[/infer]" is a server; an address of a file is a model. */
static bool is_server(const char *text)
{
    const char *scheme = strstr(text, "://");
    if (!scheme || strchr(text, '#'))
        return false;
    size_t size = strlen(text);
    return size < 5 || strcmp(text + size - 5, ".onnx") != 0;
}

static sw_status find_server(cli *c, const char *text, target *t)
{
    const char *host = strstr(text, "://") + 3, *path = strchr(host, '/');
    if (!path)
        return sw_fail(SW_INVALID, "%s: which model? Write %s/NAME", text, text);
    size_t size = strlen(path), end = size;
    if (size > 6 && strcmp(path + size - 6, "/infer") == 0)
        end -= 6;
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t first = end;
    while (first > 0 && path[first - 1] != '/')
        first--;
    if (end == first || end - first >= sizeof t->name)
        return sw_fail(SW_INVALID, "%s: which model? Write http://host:port/NAME", text);
    snprintf(t->name, sizeof t->name, "%.*s", (int)(end - first), path + first);
    t->server = cli_format(c, "%.*s", (int)(path - text), text);
    return SW_OK;
}

static sw_status load_here(cli *c, const char *text, target *t)
{
    sw_store *store = NULL;
    sw_source *source;
    sw_servable *servable;
    int64_t version;
    SW_TRY(sw_target_name(text, t->name));
    if (sw_target_is_stored(text))
        SW_TRY(cli_store(c, true, &store));
    SW_TRY(sw_source_of(cli_context(c), text, store, cli_text(c, "cache"), &source));
    sw_status status = source->wanted(source, &version);
    if (status == SW_OK)
        status = source->load(source, version, 1, &servable);
    if (status == SW_OK)
        status = sw_loaded_new(cli_context(c), servable, 1, &t->version);
    source->free(source);
    return status;
}

/* ---- questions here ---- */

static sw_status answer_here(cli *c, target *t, sw_request *r, sw_text *answer)
{
    sw_tensor **outputs;
    int64_t rows;
    sw_request *one = r;
    SW_TRY(sw_loaded_run(t->version, 0, &one, 1, cli_cancel(c), &outputs, &rows));
    if (r->picture)
        sw_tags_write(r, t->name, t->version->servable, outputs, 0, answer);
    else
        sw_infer_write(r, t->name, t->version->servable, outputs, 0, answer);
    return answer->status;
}

static sw_status ask_here(cli *c, target *t, bool picture, const char *question, size_t size, sw_text *answer)
{
    sw_request r = {.ctx = cli_context(c), .picture = picture, .top = (int)cli_int(c, "top"), .arrived = sw_now_ns()};
    sw_status status = picture ? sw_picture_read(&r, t->version->servable, question, size)
                               : sw_infer_read(&r, t->version->servable, question, size);
    if (status == SW_OK)
        status = answer_here(c, t, &r, answer);
    sw_request_free(&r);
    return status;
}

/* ---- questions to a server ---- */

/* What the server says went wrong, as one line. */
static sw_status refused(cli *c, const char *url, int http, const sw_text *answer)
{
    sw_doc *doc;
    const sw_doc *error = NULL;
    if (answer->size > 0 && sw_doc_json(cli_arena(c), "answer", answer->data, answer->size, &doc) == SW_OK)
        error = sw_doc_get(doc, "error");
    return sw_fail(http == 404   ? SW_NOT_FOUND
                   : http == 429 ? SW_BUSY
                   : http < 500  ? SW_INVALID
                                 : SW_IO,
                   "%s answered %d%s%s", url, http, error ? ": " : "", error ? error->string : "");
}

static sw_status ask_server(cli *c, target *t, bool picture, const char *question, size_t size, sw_text *answer)
{
    const char *url = picture
                          ? cli_format(c, "%s/v1/predict/%s?top=%lld", t->server, t->name, (long long)cli_int(c, "top"))
                          : cli_format(c, "%s/v2/models/%s/infer", t->server, t->name);
    const char *headers[] = {picture ? "Content-Type: application/octet-stream" : "Content-Type: application/json",
                             NULL};
    int http = 0;
    SW_TRY(sw_fetch_call(cli_context(c), url, headers, question, size, &http, answer,
                         &(sw_fetch_options){.cancel = cli_cancel(c), .authorities = cli_text(c, "tls-ca")}));
    return http == 200 ? SW_OK : refused(c, url, http, answer);
}

static sw_status ask(cli *c, target *t, bool picture, const char *question, size_t size, sw_text *answer)
{
    return t->server ? ask_server(c, t, picture, question, size, answer)
                     : ask_here(c, t, picture, question, size, answer);
}

/* ---- arrays ---- */

/* NAME=FILE.npy as an input of the question. */
static sw_status write_input(cli *c, const char *argument, bool first, sw_text *question)
{
    const char *equals = strchr(argument, '=');
    if (!equals || equals == argument)
        return sw_fail(SW_INVALID, "-i %s: write NAME=FILE.npy", argument);
    sw_tensor *read, *tensor;
    SW_TRY(sw_npy_read(cli_context(c), equals + 1, &read));
    tensor = sw_tensor_contiguous(read);
    sw_tensor_release(read);
    if (!tensor)
        return sw_alloc_status();
    const char *datatype = sw_datatype_name(sw_tensor_dtype(tensor));
    sw_dims dims = sw_tensor_dims(tensor);
    if (datatype) {
        sw_text_add(question, first ? "{\"name\":" : ",{\"name\":");
        sw_string_write(question, argument, (size_t)(equals - argument));
        sw_text_addf(question, ",\"datatype\":\"%s\",\"shape\":[", datatype);
        for (int i = 0; i < dims.rank; i++)
            sw_text_addf(question, i ? ",%lld" : "%lld", (long long)dims.dim[i]);
        sw_text_add(question, "],\"data\":[");
        sw_elements_write(question, tensor, 0, sw_tensor_count(tensor));
        sw_text_add(question, "]}");
    }
    sw_tensor_release(tensor);
    return datatype ? question->status
                    : sw_fail(SW_UNSUPPORTED, "%s: elements of this type cannot be sent", equals + 1);
}

static sw_status write_question(cli *c, sw_text *question)
{
    const char *const *inputs;
    int count = cli_list(c, "input", &inputs);
    sw_text_add(question, "{\"inputs\":[");
    for (int i = 0; i < count; i++)
        SW_TRY(write_input(c, inputs[i], i == 0, question));
    sw_text_add(question, "]}");
    return question->status;
}

/* An output of the answer's document as a tensor. */
static sw_status read_output(cli *c, const sw_doc *output, sw_tensor **tensor)
{
    const sw_doc *shape = sw_doc_get(output, "shape"), *data = sw_doc_get(output, "data");
    const sw_doc *datatype = sw_doc_get(output, "datatype");
    if (!shape || !data || !datatype || shape->count > SW_MAX_RANK)
        return sw_fail(SW_CORRUPT, "the server's answer is no inference response");
    sw_dtype dtype = SW_DTYPE_NONE;
    for (int d = 1; d < SW_DTYPE_COUNT; d++)
        if (sw_datatype_name((sw_dtype)d) && strcmp(sw_datatype_name((sw_dtype)d), datatype->string) == 0)
            dtype = (sw_dtype)d;
    sw_dims dims = {.rank = shape->count};
    for (int i = 0; i < shape->count; i++)
        dims.dim[i] = shape->items[i]->integer;
    int64_t count;
    SW_TRY(sw_dims_count(dims, &count));
    if (dtype == SW_DTYPE_NONE || count != data->count)
        return sw_fail(SW_CORRUPT, "the server's answer is no inference response");
    if (!(*tensor = sw_tensor_new(cli_context(c), dtype, dims)))
        return sw_alloc_status();
    for (int64_t i = 0; i < count; i++) {
        const sw_doc *item = data->items[i];
        if (dtype == SW_STRING)
            sw_tensor_set_string(*tensor, i, item->string);
        else if (sw_dtype_is_integer(dtype))
            sw_store_i64(dtype, sw_tensor_data(*tensor), i, item->integer);
        else
            sw_tensor_set(*tensor, i, item->kind == SW_DOC_BOOL ? item->boolean : item->number);
    }
    return SW_OK;
}

static sw_status save_output(cli *c, const sw_doc *output)
{
    const char *const *wanted;
    const sw_doc *name = sw_doc_get(output, "name");
    for (int i = 0, count = cli_list(c, "output", &wanted); name && i < count; i++) {
        size_t size = strlen(name->string);
        if (strncmp(wanted[i], name->string, size) != 0 || wanted[i][size] != '=')
            continue;
        sw_tensor *tensor;
        SW_TRY(read_output(c, output, &tensor));
        sw_status status = sw_npy_write(tensor, wanted[i] + size + 1);
        sw_tensor_release(tensor);
        SW_TRY(status);
    }
    return SW_OK;
}

/* ---- printing ---- */

static void print_tags(cli *c, const sw_doc *tags)
{
    for (int i = 0; i < tags->count; i++) {
        const sw_doc *label = sw_doc_get(tags->items[i], "label"), *score = sw_doc_get(tags->items[i], "score");
        if (label && score)
            cli_table_row(c, cli_format(c, "%5.1f %%", score->number * 100), label->string, NULL);
    }
}

static void print_output(const sw_doc *output)
{
    const sw_doc *name = sw_doc_get(output, "name"), *shape = sw_doc_get(output, "shape"),
                 *data = sw_doc_get(output, "data"), *datatype = sw_doc_get(output, "datatype");
    if (!name || !shape || !data || !datatype)
        return;
    printf("%s %s[", name->string, datatype->string);
    for (int i = 0; i < shape->count; i++)
        printf("%s%lld", i ? ", " : "", (long long)shape->items[i]->integer);
    printf("] =");
    for (int i = 0; i < data->count && i < SHOWN_MAX; i++)
        printf(" %s", data->items[i]->string);
    printf("%s\n", data->count > SHOWN_MAX ? " …" : "");
}

static sw_status show(cli *c, const sw_text *answer)
{
    sw_doc *doc;
    if (cli_json(c)) {
        printf("%s\n", answer->data);
        const char *const *wanted;
        if (cli_list(c, "output", &wanted) == 0)
            return SW_OK;
    }
    SW_TRY(sw_doc_json(cli_arena(c), "answer", answer->data, answer->size, &doc));
    const sw_doc *tags = sw_doc_get(doc, "tags"), *outputs = sw_doc_get(doc, "outputs");
    if (tags && !cli_json(c)) {
        print_tags(c, tags);
        cli_table_done(c);
    }
    for (int i = 0; outputs && i < outputs->count; i++) {
        if (!cli_json(c))
            print_output(outputs->items[i]);
        SW_TRY(save_output(c, outputs->items[i]));
    }
    return SW_OK;
}

/* ---- the verb ---- */

static sw_status predict_arrays(cli *c, target *t)
{
    sw_text question, answer;
    sw_text_init(&question, cli_context(c));
    sw_text_init(&answer, cli_context(c));
    sw_status status = write_question(c, &question);
    if (status == SW_OK)
        status = ask(c, t, false, question.data, question.size, &answer);
    if (status == SW_OK)
        status = show(c, &answer);
    sw_text_free(&question);
    sw_text_free(&answer);
    return status;
}

static sw_status predict_picture(cli *c, target *t, const char *path)
{
    char *bytes;
    size_t size;
    SW_TRY(sw_file_read(cli_context(c), path, PICTURE_BYTES_MAX, &bytes, &size));
    sw_text answer;
    sw_text_init(&answer, cli_context(c));
    sw_status status = ask(c, t, true, bytes, size, &answer);
    if (status == SW_OK && cli_arg_count(c) > 2 && !cli_json(c))
        printf("%s\n", path);
    if (status == SW_OK)
        status = show(c, &answer);
    sw_text_free(&answer);
    sw_free(cli_context(c), bytes);
    return status == SW_OK ? SW_OK : sw_fail_in(status, "%s", path);
}

static int run(cli *c)
{
    const char *const *inputs;
    int arrays = cli_list(c, "input", &inputs), pictures = cli_arg_count(c) - 1;
    if ((arrays > 0) == (pictures > 0))
        return cli_wrong(c, "give either pictures or arrays (-i NAME=FILE.npy)");
    if (!cli_context(c))
        return cli_fail(c, SW_NO_MEMORY);
    target t = {0};
    const char *text = cli_arg(c, 0);
    sw_status status = is_server(text) ? find_server(c, text, &t) : load_here(c, text, &t);
    if (status == SW_OK && arrays > 0)
        status = predict_arrays(c, &t);
    for (int i = 1; status == SW_OK && i <= pictures; i++)
        status = predict_picture(c, &t, cli_arg(c, i));
    if (t.version)
        sw_loaded_release(t.version, 1);
    return status == SW_OK ? 0 : cli_fail(c, status);
}

static const cli_option options[] = {
    {.name = "input",
     .letter = 'i',
     .type = CLI_LIST,
     .argument = "NAME=FILE",
     .flag_only = true,
     .help = "an input from an .npy file"},
    {.name = "output",
     .letter = 'o',
     .type = CLI_LIST,
     .argument = "NAME=FILE",
     .flag_only = true,
     .help = "write an output into an .npy file"},
    {.name = "top",
     .type = CLI_INT,
     .argument = "N",
     .standard = "5",
     .low = 1,
     .high = 100,
     .help = "how many names to give a picture"},
    {.name = "tls-ca",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "certificate authorities (PEM) to trust instead of the system's"},
    {.name = "cache",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .computed = cli_model_cache,
     .help = "where fetched models are kept (default: slipway in the user's cache folder)"},
    {0},
};

const cli_verb cli_verb_predict = {
    .name = "predict",
    .arguments = "TARGET [PICTURE…]",
    .help = "ask a model, here or at a server",
    .details =
        "TARGET is a model (a name in the store, a file, an address of an .onnx file), which is then run here, or "
        "a server's address with the model's name behind it. Pictures are PNG, JPEG or WebP; arrays are .npy "
        "files, one for each input.",
    .example = "slipway predict http://127.0.0.1:8000/fashion shoe.png",
    .least = 1,
    .most = -1,
    .options = options,
    .run = run,
};
