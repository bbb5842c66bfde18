/* Inference answers of the Open Inference Protocol v2: rows of tensors straight into JSON. */
#include <string.h>

#include "serve/numbers.h"
#include "serve/request.h"
#include "tensor/dtype.h"

static void add_literal(sw_text *text, const char *literal) { sw_text_addn(text, literal, strlen(literal)); }

void sw_string_write(sw_text *text, const char *bytes, size_t size)
{
    sw_text_addn(text, "\"", 1);
    for (size_t at = 0, plain = 0; at <= size;) {
        unsigned char c = at < size ? (unsigned char)bytes[at] : 0;
        int length = at < size && c >= 0x80 ? sw_utf8_decode(bytes + at, size - at, NULL) : 1;
        bool special = at < size && (c < 0x20 || c == '"' || c == '\\');
        if (at < size && length > 0 && !special) {
            at += (size_t)length;
            continue;
        }
        sw_text_addn(text, bytes + plain, at - plain);
        if (special && (c == '"' || c == '\\'))
            sw_text_addf(text, "\\%c", c);
        else if (special)
            sw_text_addf(text, "\\u%04x", c);
        else if (at < size)
            sw_text_addn(text, "\xEF\xBF\xBD", 3); /* U+FFFD for what is no UTF-8 */
        plain = ++at;
    }
    sw_text_addn(text, "\"", 1);
}

void sw_error_write(sw_text *text, const char *message)
{
    add_literal(text, "{\"error\":");
    sw_string_write(text, message, strlen(message));
    add_literal(text, "}");
}

static void write_ints(sw_text *text, const int64_t *values, int count)
{
    char number[SW_NUMBER_MAX];
    for (int i = 0; i < count; i++) {
        if (i)
            sw_text_addn(text, ",", 1);
        sw_text_addn(text, number, (size_t)sw_number_write_i64(number, values[i]));
    }
}

static int write_element(char number[SW_NUMBER_MAX], sw_dtype dtype, const void *data, int64_t at)
{
    switch (dtype) {
    case SW_F32:
        return sw_number_write_f32(number, ((const float *)data)[at]);
    case SW_F64:
        return sw_number_write_f64(number, ((const double *)data)[at]);
    case SW_F16:
    case SW_BF16:
        return sw_number_write_f32(number, (float)sw_load_f64(dtype, data, at));
    case SW_BOOL: {
        bool value = ((const uint8_t *)data)[at] != 0;
        memcpy(number, value ? "true" : "false", 5);
        return value ? 4 : 5;
    }
    default:
        return sw_dtype_is_signed(dtype) ? sw_number_write_i64(number, sw_load_i64(dtype, data, at))
                                         : sw_number_write_u64(number, sw_load_u64(dtype, data, at));
    }
}

/* Numbers gather in a piece of stack and go to the text together. */
void sw_elements_write(sw_text *text, const sw_tensor *tensor, int64_t first, int64_t count)
{
    char piece[2048];
    size_t size = 0;
    sw_dtype dtype = sw_tensor_dtype(tensor);
    const void *data = sw_tensor_data(tensor);
    for (int64_t i = 0; i < count; i++) {
        if (dtype == SW_STRING) {
            const char *s = sw_tensor_get_string(tensor, first + i);
            add_literal(text, i ? "," : "");
            sw_string_write(text, s, strlen(s));
            continue;
        }
        if (size > sizeof piece - SW_NUMBER_MAX - 1) {
            sw_text_addn(text, piece, size);
            size = 0;
        }
        if (i)
            piece[size++] = ',';
        size += (size_t)write_element(piece + size, dtype, data, first + i);
    }
    sw_text_addn(text, piece, size);
}

static void write_output(const sw_request *r, const sw_port *port, const sw_tensor *tensor, int64_t row, sw_text *text)
{
    sw_dims dims = sw_tensor_dims(tensor);
    int64_t first = 0, count = sw_tensor_count(tensor);
    if (r->rows > 0) {
        int64_t each = count / dims.dim[0];
        dims.dim[0] = r->rows;
        first = row * each;
        count = r->rows * each;
    }
    add_literal(text, "{\"name\":");
    sw_string_write(text, port->name, strlen(port->name));
    add_literal(text, ",\"datatype\":\"");
    add_literal(text, sw_datatype_name(sw_tensor_dtype(tensor)));
    add_literal(text, "\",\"shape\":[");
    write_ints(text, dims.dim, dims.rank);
    add_literal(text, "],\"data\":[");
    sw_elements_write(text, tensor, first, count);
    add_literal(text, "]}");
}

void sw_infer_write(const sw_request *r, const char *model_name, const sw_servable *model, sw_tensor *const *outputs,
                    int64_t row, sw_text *text)
{
    char number[SW_NUMBER_MAX];
    add_literal(text, "{\"model_name\":");
    sw_string_write(text, model_name, strlen(model_name));
    add_literal(text, ",\"model_version\":\"");
    sw_text_addn(text, number, (size_t)sw_number_write_i64(number, model->version));
    if (r->id.raw.at) {
        add_literal(text, "\",\"id\":\"");
        sw_text_addn(text, r->id.raw.at, r->id.raw.size); /* as it came, escapes and all */
    }
    add_literal(text, "\",\"outputs\":[");
    int count = r->outputs.count ? (int)r->outputs.count : model->output_count;
    for (int i = 0; i < count; i++) {
        int index = r->outputs.count ? r->outputs.items[i] : i;
        if (i)
            sw_text_addn(text, ",", 1);
        write_output(r, &model->outputs[index], outputs[index], row, text);
    }
    add_literal(text, "]}");
}
