/* Inference requests of the Open Inference Protocol v2: JSON straight into tensors.
 *
 * The body is read once from front to back; numbers go from their digits into the input's buffer, and nothing is
 * built in between. Only when "data" comes before the name, shape and datatype that it needs is it skipped and
 * read again. Data may be nested like its shape or flat. Unknown members are skipped: clients send some. */
#include <stdio.h>
#include <string.h>

#include "serve/request.h"
#include "tensor/dtype.h"

static const struct {
    sw_dtype dtype;
    const char *name;
} datatypes[] = {
    {SW_BOOL, "BOOL"}, {SW_U8, "UINT8"},  {SW_U16, "UINT16"}, {SW_U32, "UINT32"},   {SW_U64, "UINT64"},
    {SW_I8, "INT8"},   {SW_I16, "INT16"}, {SW_I32, "INT32"},  {SW_I64, "INT64"},    {SW_F16, "FP16"},
    {SW_BF16, "BF16"}, {SW_F32, "FP32"},  {SW_F64, "FP64"},   {SW_STRING, "BYTES"},
};

const char *sw_datatype_name(sw_dtype dtype)
{
    for (size_t i = 0; i < sizeof datatypes / sizeof *datatypes; i++)
        if (datatypes[i].dtype == dtype)
            return datatypes[i].name;
    return NULL;
}

/* ---- elements ---- */

typedef struct reader {
    sw_request *r;
    sw_scan *s;
    const sw_port *port;
    sw_dims dims;
    int64_t count; /* elements wanted */
    void *data;
} reader;

static sw_status store_integer(const reader *in, const sw_numeral *n, int64_t at)
{
    int bits = sw_dtype_bits(in->port->dtype);
    int64_t value = 0;
    uint64_t word = 0;
    bool fits;
    if (sw_dtype_is_signed(in->port->dtype)) {
        int64_t high = bits == 64 ? INT64_MAX : (1ll << (bits - 1)) - 1;
        fits = sw_numeral_i64(n, &value) && value <= high && value >= -high - 1;
        if (fits)
            sw_store_i64(in->port->dtype, in->data, at, value);
    } else {
        fits = sw_numeral_u64(n, &word) && (bits == 64 || word <= (1ull << bits) - 1);
        if (fits)
            sw_store_u64(in->port->dtype, in->data, at, word);
    }
    if (fits)
        return SW_OK;
    in->s->at = n->text;
    return sw_scan_fail(in->s, "input '%s': %.*s is no %s", in->port->name, n->size > 40 ? 40 : (int)n->size, n->text,
                        sw_datatype_name(in->port->dtype));
}

static sw_status read_bool(const reader *in, int64_t at)
{
    bool value;
    char c = sw_scan_peek(in->s);
    if (c == '0' || c == '1') {
        value = c == '1';
        in->s->at++;
    } else {
        SW_TRY(sw_scan_bool(in->s, &value));
    }
    ((uint8_t *)in->data)[at] = value;
    return SW_OK;
}

static sw_status read_string(const reader *in, int64_t at)
{
    sw_request *r = in->r;
    sw_scan_text text;
    SW_TRY(sw_scan_string(in->s, &text));
    SW_TRY(sw_vec_reserve(r->ctx, &r->strings, text.raw.size + 1));
    char *to = r->strings.items + r->strings.count;
    long size = sw_scan_unescape(text, to);
    if (size < 0)
        return sw_scan_fail(in->s, "input '%s': a bad escape in a string", in->port->name);
    to[size] = 0;
    ((uint64_t *)in->data)[at] = r->strings.count;
    r->strings.count += (size_t)size + 1;
    return SW_OK;
}

static sw_status read_element(const reader *in, int64_t at)
{
    sw_numeral n;
    switch (in->port->dtype) {
    case SW_BOOL:
        return read_bool(in, at);
    case SW_STRING:
        return read_string(in, at);
    case SW_F32:
        SW_TRY(sw_scan_number(in->s, &n));
        ((float *)in->data)[at] = sw_numeral_f32(&n);
        return SW_OK;
    case SW_F64:
    case SW_F16:
    case SW_BF16:
        SW_TRY(sw_scan_number(in->s, &n));
        sw_store_f64(in->port->dtype, in->data, at, sw_numeral_f64(&n));
        return SW_OK;
    default:
        SW_TRY(sw_scan_number(in->s, &n));
        return store_integer(in, &n, at);
    }
}

/* ---- data: flat, or nested as its shape ---- */

static sw_status wrong_count(const reader *in, const char *how, int64_t found)
{
    char text[200];
    return sw_scan_fail(in->s, "input '%s': shape %s has %lld elements, the data %s%lld", in->port->name,
                        sw_dims_text(in->dims, text, sizeof text), (long long)in->count, how, (long long)found);
}

/* A list at `level` (1: the outermost) has ended with `items` items. */
static sw_status close_list(const reader *in, int level, int64_t items, int leaf)
{
    /* Flat data has one level, whose count is checked at the end; so do empty lists of an empty tensor. */
    if (leaf == 1 || in->count == 0 || items == in->dims.dim[level - 1])
        return SW_OK;
    return sw_scan_fail(in->s, "input '%s': a list of %lld at level %d, the shape says %lld", in->port->name,
                        (long long)items, level, (long long)in->dims.dim[level - 1]);
}

static sw_status read_data(const reader *in)
{
    sw_scan *s = in->s;
    int64_t at = 0, items[SW_MAX_RANK + 1] = {0};
    int level = 0, leaf = 0; /* at which level the elements stand; 0: not seen yet */
    int deepest = in->dims.rank > 1 ? in->dims.rank : 1;
    do {
        if (sw_scan_take(s, '[')) {
            if (level == deepest || (leaf != 0 && level == leaf))
                return sw_scan_fail(s, "input '%s': nested deeper than its shape", in->port->name);
            items[++level] = 0;
            if (sw_scan_peek(s) != ']')
                continue;
        } else {
            if (level == 0)
                return sw_scan_expect(s, '[', "(data is a list)");
            if (leaf == 0 && level != 1 && level != deepest)
                return sw_scan_fail(s, "input '%s': data must be flat or nested as its shape", in->port->name);
            if (leaf != 0 && leaf != level)
                return sw_scan_fail(s, "input '%s': elements and lists are mixed", in->port->name);
            leaf = level;
            if (at == in->count)
                return wrong_count(in, "at least ", at + 1);
            SW_TRY(read_element(in, at++));
            items[level]++;
            /* The usual case, ",1.5,2,…" without a blank, without asking at every number what else might stand there.
             */
            while (s->at[0] == ',' && (unsigned char)(s->at[1] - '0') <= 9 && at < in->count) {
                s->at++;
                SW_TRY(read_element(in, at++));
                items[level]++;
            }
        }
        while (level > 0 && sw_scan_take(s, ']')) {
            SW_TRY(close_list(in, level, items[level], leaf));
            items[--level]++;
        }
        if (level > 0)
            SW_TRY(sw_scan_expect(s, ',', "or ']' in the data"));
    } while (level > 0);
    return at == in->count ? SW_OK : wrong_count(in, "", at);
}

/* ---- members ---- */

static sw_status read_shape(sw_scan *s, sw_dims *dims)
{
    sw_status status;
    bool first = true;
    *dims = (sw_dims){0};
    while (sw_scan_item(s, &first, &status)) {
        sw_numeral n;
        SW_TRY(sw_scan_number(s, &n));
        if (dims->rank == SW_MAX_RANK)
            return sw_scan_fail(s, "a shape of more than %d dims", SW_MAX_RANK);
        if (!sw_numeral_i64(&n, &dims->dim[dims->rank]) || dims->dim[dims->rank++] < 0)
            return sw_scan_fail(s, "a dim is a whole number from 0");
    }
    return status;
}

static int find_port(const sw_port *ports, int count, sw_scan_text name)
{
    for (int i = 0; i < count; i++)
        if (sw_scan_text_is(name, ports[i].name))
            return i;
    return -1;
}

static sw_status unknown_port(const sw_scan *s, const char *what, sw_scan_text name, const sw_port *ports, int count)
{
    char known[200] = "";
    for (int i = 0, size = 0; i < count && size < (int)sizeof known - 8; i++)
        size += snprintf(known + size, sizeof known - (size_t)size, "%s'%s'", i ? ", " : "", ports[i].name);
    return sw_scan_fail(s, "the model has no %s '%.*s' (it has %s)", what, name.raw.size > 60 ? 60 : (int)name.raw.size,
                        name.raw.at, known);
}

typedef struct input_members {
    sw_scan_text name, datatype;
    sw_dims dims;
    bool has_name, has_datatype, has_shape, has_data;
} input_members;

/* Everything but the data is known: checks it and reads the data, which begins at `s`. */
static sw_status read_input_data(sw_request *r, sw_scan *s, const sw_servable *model, const input_members *m)
{
    int index = find_port(model->inputs, model->input_count, m->name);
    if (index < 0)
        return unknown_port(s, "input", m->name, model->inputs, model->input_count);
    const sw_port *port = &model->inputs[index];
    if (r->inputs.items[index].given)
        return sw_scan_fail(s, "input '%s' is given twice", port->name);
    if (!sw_scan_text_is(m->datatype, sw_datatype_name(port->dtype)))
        return sw_scan_fail(s, "input '%s' is %.*s, the model takes %s", port->name,
                            m->datatype.raw.size > 20 ? 20 : (int)m->datatype.raw.size, m->datatype.raw.at,
                            sw_datatype_name(port->dtype));
    SW_TRY(sw_request_fits(port, m->dims));
    reader in = {.r = r, .s = s, .port = port, .dims = m->dims};
    SW_TRY(sw_dims_count(m->dims, &in.count));
    /* An element takes at least a byte and its comma: no memory is taken for what cannot follow. */
    if (in.count > (s->end - s->at + 1) / 2)
        return wrong_count(&in, "has room for ", (s->end - s->at + 1) / 2);
    r->inputs.items[index].dims = m->dims;
    SW_TRY(sw_request_place(r, model, index, &in.data));
    return read_data(&in);
}

static sw_status read_input(sw_request *r, sw_scan *s, const sw_servable *model)
{
    input_members m = {0};
    sw_scan skipped = {0};
    sw_scan_text key;
    sw_status status;
    bool first = true;
    while (sw_scan_member(s, &first, &key, &status)) {
        if (sw_scan_text_is(key, "name")) {
            SW_TRY(sw_scan_string(s, &m.name));
            m.has_name = true;
        } else if (sw_scan_text_is(key, "datatype")) {
            SW_TRY(sw_scan_string(s, &m.datatype));
            m.has_datatype = true;
        } else if (sw_scan_text_is(key, "shape")) {
            SW_TRY(read_shape(s, &m.dims));
            m.has_shape = true;
        } else if (sw_scan_text_is(key, "data") && !m.has_data) {
            m.has_data = true;
            sw_scan_peek(s);
            if (m.has_name && m.has_datatype && m.has_shape) {
                SW_TRY(read_input_data(r, s, model, &m));
            } else {
                skipped = *s;
                SW_TRY(sw_scan_skip(s));
            }
        } else {
            SW_TRY(sw_scan_skip(s));
        }
    }
    SW_TRY(status);
    const char *missing = !m.has_name       ? "name"
                          : !m.has_datatype ? "datatype"
                          : !m.has_shape    ? "shape"
                          : !m.has_data     ? "data"
                                            : NULL;
    if (missing)
        return sw_scan_fail(s, "an input without \"%s\"", missing);
    return skipped.at ? read_input_data(r, &skipped, model, &m) : SW_OK;
}

static sw_status read_outputs(sw_request *r, sw_scan *s, const sw_servable *model)
{
    sw_status status, inner;
    bool first = true;
    while (sw_scan_item(s, &first, &status)) {
        bool first_member = true, named = false;
        sw_scan_text key, name;
        while (sw_scan_member(s, &first_member, &key, &inner)) {
            if (!sw_scan_text_is(key, "name")) {
                SW_TRY(sw_scan_skip(s));
                continue;
            }
            SW_TRY(sw_scan_string(s, &name));
            int index = find_port(model->outputs, model->output_count, name);
            if (index < 0)
                return unknown_port(s, "output", name, model->outputs, model->output_count);
            for (size_t i = 0; i < r->outputs.count; i++)
                if (r->outputs.items[i] == index)
                    return sw_scan_fail(s, "output '%s' is asked for twice", model->outputs[index].name);
            SW_TRY(sw_vec_push(r->ctx, &r->outputs, index));
            named = true;
        }
        SW_TRY(inner);
        if (!named)
            return sw_scan_fail(s, "an output without \"name\"");
    }
    return status;
}

/* Of the parameters only "timeout" (microseconds) means something here. */
static sw_status read_parameters(sw_request *r, sw_scan *s)
{
    sw_status status;
    sw_scan_text key;
    bool first = true;
    while (sw_scan_member(s, &first, &key, &status)) {
        if (!sw_scan_text_is(key, "timeout")) {
            SW_TRY(sw_scan_skip(s));
            continue;
        }
        sw_numeral n;
        uint64_t us;
        SW_TRY(sw_scan_number(s, &n));
        if (!sw_numeral_u64(&n, &us) || us > UINT64_MAX / 2000)
            return sw_scan_fail(s, "\"timeout\" is a whole number of microseconds");
        uint64_t at = r->arrived + us * 1000;
        /* It may only shorten what the header or the server says. */
        if (us > 0 && (r->deadline == 0 || at < r->deadline))
            r->deadline = at;
    }
    return status;
}

/* The id goes back as it came, so it must be what may stand in a document. */
static sw_status read_id(sw_request *r, sw_scan *s)
{
    SW_TRY(sw_scan_string(s, &r->id));
    SW_TRY(sw_vec_reserve(r->ctx, &r->strings, r->id.raw.size));
    if (!sw_utf8_valid(r->id.raw.at, r->id.raw.size) ||
        (r->id.escaped && sw_scan_unescape(r->id, r->strings.items + r->strings.count) < 0))
        return sw_scan_fail(s, "\"id\" is no valid text");
    return SW_OK;
}

static sw_status read_inputs(sw_request *r, sw_scan *s, const sw_servable *model)
{
    sw_status status;
    bool first = true;
    while (sw_scan_item(s, &first, &status))
        SW_TRY(read_input(r, s, model));
    return status;
}

sw_status sw_infer_read(sw_request *r, const sw_servable *model, const char *body, size_t size)
{
    sw_scan scan = sw_scan_of(body, size), *s = &scan;
    sw_scan_text key;
    sw_status status;
    bool first = true, inputs = false;
    r->inputs.count = 0;
    SW_TRY(sw_vec_reserve(r->ctx, &r->inputs, (size_t)model->input_count));
    r->inputs.count = (size_t)model->input_count;
    if (model->input_count)
        memset(r->inputs.items, 0, sizeof *r->inputs.items * r->inputs.count);
    while (sw_scan_member(s, &first, &key, &status)) {
        if (sw_scan_text_is(key, "inputs")) {
            if (inputs)
                return sw_scan_fail(s, "\"inputs\" is given twice");
            SW_TRY(read_inputs(r, s, model));
            inputs = true;
        } else if (sw_scan_text_is(key, "outputs") && sw_scan_peek(s) != 'n') {
            SW_TRY(read_outputs(r, s, model));
        } else if (sw_scan_text_is(key, "id") && sw_scan_peek(s) != 'n') {
            SW_TRY(read_id(r, s));
        } else if (sw_scan_text_is(key, "parameters") && sw_scan_peek(s) != 'n') {
            SW_TRY(read_parameters(r, s));
        } else {
            SW_TRY(sw_scan_skip(s));
        }
    }
    SW_TRY(status);
    SW_TRY(sw_scan_end(s));
    return sw_request_complete(r, model);
}
