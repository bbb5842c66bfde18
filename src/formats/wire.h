/* formats/wire.h: protobuf's wire form, pulled field by field and written piece by piece.
 *
 * The reader is a cursor over bytes that somebody else keeps: it allocates nothing and copies nothing, so that a
 * tensor of a gigabyte is a pointer into the mapped file. It knows no schema: its user switches on field numbers, and
 * skipping an unknown field is doing nothing. Nesting is limited, lengths are checked against the message they stand
 * in, varints against 64 bits. ONNX, TensorBoard, gRPC, Caffe and TensorFlow all speak this form.
 *
 *   sw_wire_field field;
 *   while (sw_wire_next(&wire, &field))
 *       switch (field.number) { case 1: … }
 *   return sw_wire_status(&wire);
 *
 * Uses: base/. */
#ifndef SW_FORMATS_WIRE_H
#define SW_FORMATS_WIRE_H

#include "base/alloc.h"
#include "base/file.h"

#define SW_WIRE_MAX_DEPTH 64

typedef enum sw_wire_type {
    SW_WIRE_VARINT = 0,
    SW_WIRE_FIXED64 = 1,
    SW_WIRE_BYTES = 2,
    SW_WIRE_FIXED32 = 5
} sw_wire_type;

typedef struct sw_wire {
    const char *name;     /* for messages: the file */
    const uint8_t *begin; /* of the whole file, for the offset in messages */
    const uint8_t *at, *end;
    int depth;
    sw_status status; /* the first failure; then sw_wire_next returns false */
} sw_wire;

typedef struct sw_wire_field {
    uint32_t number;
    sw_wire_type type;
    uint64_t integer;     /* VARINT, FIXED64, FIXED32: the bits */
    const uint8_t *bytes; /* BYTES: in the file */
    size_t size;
} sw_wire_field;

/* `bytes` and `name` must outlive the reader. */
void sw_wire_open(sw_wire *wire, const char *name, const void *bytes, size_t size);
/* False at the end of the message and after a failure. */
bool sw_wire_next(sw_wire *wire, sw_wire_field *field);
sw_status sw_wire_status(const sw_wire *wire);
/* A reader for the message inside `field`. A failure (not BYTES, too deep) shows in the inner reader's status. */
sw_wire sw_wire_enter(const sw_wire *wire, const sw_wire_field *field);
/* SW_CORRUPT "file: byte 123: …", and the reader stops. */
sw_status sw_wire_fail(sw_wire *wire, const char *format, ...) SW_PRINTF(2, 3);

/* Fields read as what the schema says. A field of another type fails the reader and gives 0, false or NULL. */
int64_t sw_wire_int(sw_wire *wire, const sw_wire_field *field);
int64_t sw_wire_zigzag(sw_wire *wire, const sw_wire_field *field);
float sw_wire_float(sw_wire *wire, const sw_wire_field *field);
double sw_wire_double(sw_wire *wire, const sw_wire_field *field);
bool sw_wire_bytes(sw_wire *wire, const sw_wire_field *field, const uint8_t **bytes, size_t *size);

/* Repeated numbers stand packed in one BYTES field, or one by one. Each call gives the next number of `field`, false at
 * its end; `position` begins at 0. `type` is how one element is written. */
bool sw_wire_repeated(sw_wire *wire, const sw_wire_field *field, sw_wire_type type, size_t *position, uint64_t *bits);
/* How many numbers the field holds; 0 after a failure. */
size_t sw_wire_repeated_count(sw_wire *wire, const sw_wire_field *field, sw_wire_type type);

static inline float sw_wire_bits_float(uint64_t bits)
{
    union {
        uint32_t u;
        float f;
    } v = {.u = (uint32_t)bits};
    return v.f;
}
static inline double sw_wire_bits_double(uint64_t bits)
{
    union {
        uint64_t u;
        double d;
    } v = {.u = bits};
    return v.d;
}

/* ---- writing ----
 * Messages nest between begin and end; the writer keeps its first failure and is asked once, by finish. Large bytes
 * are kept by reference (sw_wire_put_reference) and must live until then. */
typedef struct sw_wire_writer sw_wire_writer;
sw_wire_writer *sw_wire_writer_new(sw_context *ctx);
void sw_wire_writer_free(sw_wire_writer *writer); /* NULL is allowed */
void sw_wire_begin(sw_wire_writer *writer, uint32_t number);
/* The same with a length of five bytes whatever it is (an overlong varint, which every reader must take): then
 * sw_wire_size() tells where the next byte will stand in the end, as long as all open messages are of this kind. */
void sw_wire_begin_fixed(sw_wire_writer *writer, uint32_t number);
void sw_wire_end(sw_wire_writer *writer);
void sw_wire_put_int(sw_wire_writer *writer, uint32_t number, int64_t value);
void sw_wire_put_float(sw_wire_writer *writer, uint32_t number, float value);
void sw_wire_put_double(sw_wire_writer *writer, uint32_t number, double value);
void sw_wire_put_text(sw_wire_writer *writer, uint32_t number, const char *text);
void sw_wire_put_bytes(sw_wire_writer *writer, uint32_t number, const void *bytes, size_t size);
void sw_wire_put_reference(sw_wire_writer *writer, uint32_t number, const void *bytes, size_t size);
void sw_wire_put_packed_ints(sw_wire_writer *writer, uint32_t number, const int64_t *values, size_t count);
void sw_wire_put_packed_floats(sw_wire_writer *writer, uint32_t number, const float *values, size_t count);
/* Bytes so far, references included. */
uint64_t sw_wire_size(const sw_wire_writer *writer);
void sw_wire_set_status(sw_wire_writer *writer, sw_status status); /* for callers that fail in between */
sw_status sw_wire_writer_status(const sw_wire_writer *writer);
/* Sends everything in order. SW_INVALID beyond 2 GiB - 1, which no protobuf reader takes. */
sw_status sw_wire_finish(sw_wire_writer *writer, sw_status (*sink)(void *user, const void *bytes, size_t size),
                         void *user);

#endif
