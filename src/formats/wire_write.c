/* wire_write.c: protobuf's bytes, made in one pass.
 *
 * A nested message's length stands before it and is known after it. The writer collects small bytes in one buffer and
 * keeps large ones as references; when a message ends, its length is pushed in front of what was collected since,
 * which moves small bytes only. */
#include <string.h>

#include "base/vec.h"
#include "formats/wire.h"

struct reference {
    size_t at; /* it goes before this byte of the buffer */
    const void *bytes;
    size_t size;
};

struct open_message {
    size_t start;      /* in the buffer */
    size_t references; /* how many there were */
    bool fixed;        /* room for the length is there already */
};

struct sw_wire_writer {
    sw_context *ctx;
    sw_status status;
    sw_vec(uint8_t) buffer;
    sw_vec(struct reference) references;
    int depth;
    struct open_message open[SW_WIRE_MAX_DEPTH];
};

sw_wire_writer *sw_wire_writer_new(sw_context *ctx)
{
    sw_wire_writer *writer = sw_alloc_zero(ctx, sizeof *writer);
    if (writer)
        writer->ctx = ctx;
    return writer;
}

void sw_wire_writer_free(sw_wire_writer *writer)
{
    if (!writer)
        return;
    sw_vec_free(writer->ctx, &writer->buffer);
    sw_vec_free(writer->ctx, &writer->references);
    sw_free(writer->ctx, writer);
}

void sw_wire_set_status(sw_wire_writer *writer, sw_status status)
{
    if (writer->status == SW_OK)
        writer->status = status;
}

sw_status sw_wire_writer_status(const sw_wire_writer *writer) { return writer->status; }

static void add(sw_wire_writer *writer, const void *bytes, size_t size)
{
    if (writer->status != SW_OK || size == 0)
        return;
    writer->status = sw_vec_reserve(writer->ctx, &writer->buffer, size);
    if (writer->status != SW_OK)
        return;
    memcpy(writer->buffer.items + writer->buffer.count, bytes, size);
    writer->buffer.count += size;
}

static size_t encode_varint(uint64_t value, uint8_t out[10])
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static void add_varint(sw_wire_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    add(writer, bytes, encode_varint(value, bytes));
}

static void add_tag(sw_wire_writer *writer, uint32_t number, sw_wire_type type)
{
    add_varint(writer, (uint64_t)number << 3 | type);
}

static void add_fixed(sw_wire_writer *writer, uint64_t bits, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(bits >> 8 * i);
    add(writer, bytes, size);
}

enum { FIXED_LENGTH = 5 };

static void begin(sw_wire_writer *writer, uint32_t number, bool fixed)
{
    add_tag(writer, number, SW_WIRE_BYTES);
    if (fixed)
        add(writer, (uint8_t[FIXED_LENGTH]){0}, FIXED_LENGTH);
    if (writer->depth == SW_WIRE_MAX_DEPTH) {
        sw_wire_set_status(writer, sw_fail(SW_INTERNAL, "protobuf: messages nest deeper than %d", SW_WIRE_MAX_DEPTH));
        return;
    }
    writer->open[writer->depth++] = (struct open_message){writer->buffer.count, writer->references.count, fixed};
}

void sw_wire_begin(sw_wire_writer *writer, uint32_t number) { begin(writer, number, false); }
void sw_wire_begin_fixed(sw_wire_writer *writer, uint32_t number) { begin(writer, number, true); }

void sw_wire_end(sw_wire_writer *writer)
{
    uint8_t length[10];
    if (writer->status != SW_OK || writer->depth == 0)
        return;
    struct open_message message = writer->open[--writer->depth];
    uint64_t inside = writer->buffer.count - message.start;
    for (size_t i = message.references; i < writer->references.count; i++)
        inside += writer->references.items[i].size;
    if (message.fixed) {
        uint8_t *room = writer->buffer.items + message.start - FIXED_LENGTH;
        for (int i = 0; i < FIXED_LENGTH; i++)
            room[i] = (uint8_t)((inside >> 7 * i & 0x7F) | (i + 1 < FIXED_LENGTH ? 0x80 : 0));
        return;
    }
    size_t size = encode_varint(inside, length), tail = writer->buffer.count - message.start;
    add(writer, length, size); /* room */
    if (writer->status != SW_OK)
        return;
    uint8_t *start = writer->buffer.items + message.start;
    memmove(start + size, start, tail);
    memcpy(start, length, size);
    for (size_t i = message.references; i < writer->references.count; i++)
        writer->references.items[i].at += size;
}

void sw_wire_put_int(sw_wire_writer *writer, uint32_t number, int64_t value)
{
    add_tag(writer, number, SW_WIRE_VARINT);
    add_varint(writer, (uint64_t)value);
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void sw_wire_put_float(sw_wire_writer *writer, uint32_t number, float value)
{
    add_tag(writer, number, SW_WIRE_FIXED32);
    add_fixed(writer, float_bits(value), 4);
}

void sw_wire_put_double(sw_wire_writer *writer, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_tag(writer, number, SW_WIRE_FIXED64);
    add_fixed(writer, bits, 8);
}

void sw_wire_put_bytes(sw_wire_writer *writer, uint32_t number, const void *bytes, size_t size)
{
    add_tag(writer, number, SW_WIRE_BYTES);
    add_varint(writer, size);
    add(writer, bytes, size);
}

void sw_wire_put_text(sw_wire_writer *writer, uint32_t number, const char *text)
{
    sw_wire_put_bytes(writer, number, text, strlen(text));
}

void sw_wire_put_reference(sw_wire_writer *writer, uint32_t number, const void *bytes, size_t size)
{
    add_tag(writer, number, SW_WIRE_BYTES);
    add_varint(writer, size);
    struct reference reference = {writer->buffer.count, bytes, size};
    if (writer->status == SW_OK && size)
        writer->status = sw_vec_push(writer->ctx, &writer->references, reference);
}

void sw_wire_put_packed_ints(sw_wire_writer *writer, uint32_t number, const int64_t *values, size_t count)
{
    sw_wire_begin(writer, number);
    for (size_t i = 0; i < count; i++)
        add_varint(writer, (uint64_t)values[i]);
    sw_wire_end(writer);
}

void sw_wire_put_packed_floats(sw_wire_writer *writer, uint32_t number, const float *values, size_t count)
{
    sw_wire_begin(writer, number);
    for (size_t i = 0; i < count; i++)
        add_fixed(writer, float_bits(values[i]), 4);
    sw_wire_end(writer);
}

uint64_t sw_wire_size(const sw_wire_writer *writer)
{
    uint64_t size = writer->buffer.count;
    for (size_t i = 0; i < writer->references.count; i++)
        size += writer->references.items[i].size;
    return size;
}

sw_status sw_wire_finish(sw_wire_writer *writer, sw_status (*sink)(void *user, const void *bytes, size_t size),
                         void *user)
{
    if (writer->status != SW_OK)
        return writer->status;
    if (writer->depth)
        return sw_fail(SW_INTERNAL, "protobuf: %d messages were not ended", writer->depth);
    if (sw_wire_size(writer) > INT32_MAX)
        return sw_fail(SW_INVALID, "a protobuf of %llu bytes: readers take at most 2 GiB - 1",
                       (unsigned long long)sw_wire_size(writer));
    size_t sent = 0;
    for (size_t i = 0; i < writer->references.count; i++) {
        const struct reference *reference = &writer->references.items[i];
        SW_TRY(sink(user, writer->buffer.items + sent, reference->at - sent));
        SW_TRY(sink(user, reference->bytes, reference->size));
        sent = reference->at;
    }
    return sink(user, writer->buffer.items + sent, writer->buffer.count - sent);
}
