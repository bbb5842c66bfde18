/* wire.c: the pull reader. Every length is compared with what is left of the message before it is used. */
#include "formats/wire.h"

#include <string.h>

void sw_wire_open(sw_wire *wire, const char *name, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    *wire = (sw_wire){.name = name, .begin = at, .at = at, .end = at + size};
}

sw_status sw_wire_status(const sw_wire *wire) { return wire->status; }

sw_status sw_wire_fail(sw_wire *wire, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_vfail(SW_CORRUPT, format, args);
    va_end(args);
    wire->status = sw_fail_in(SW_CORRUPT, "%s: byte %zu", wire->name, (size_t)(wire->at - wire->begin));
    wire->at = wire->end;
    return wire->status;
}

/* At most 10 bytes; the tenth holds the last bit only. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    uint64_t sum = 0;
    for (int shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return false;
        sum |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static bool read_fixed(const uint8_t **at, const uint8_t *end, int bytes, uint64_t *value)
{
    if (end - *at < bytes)
        return false;
    *value = 0;
    for (int i = 0; i < bytes; i++)
        *value |= (uint64_t)(*at)[i] << 8 * i;
    *at += bytes;
    return true;
}

bool sw_wire_next(sw_wire *wire, sw_wire_field *field)
{
    if (wire->status != SW_OK || wire->at == wire->end)
        return false;
    uint64_t tag, size;
    if (!read_varint(&wire->at, wire->end, &tag) || tag >> 3 == 0 || tag >> 32)
        return sw_wire_fail(wire, "a field's tag is damaged"), false;
    *field = (sw_wire_field){.number = (uint32_t)(tag >> 3), .type = (sw_wire_type)(tag & 7)};
    bool whole = false;
    switch (field->type) {
    case SW_WIRE_VARINT:
        whole = read_varint(&wire->at, wire->end, &field->integer);
        break;
    case SW_WIRE_FIXED64:
        whole = read_fixed(&wire->at, wire->end, 8, &field->integer);
        break;
    case SW_WIRE_FIXED32:
        whole = read_fixed(&wire->at, wire->end, 4, &field->integer);
        break;
    case SW_WIRE_BYTES:
        whole = read_varint(&wire->at, wire->end, &size) && size <= (uint64_t)(wire->end - wire->at);
        if (whole) {
            field->bytes = wire->at;
            field->size = (size_t)size;
            wire->at += size;
        }
        break;
    default:
        return sw_wire_fail(wire, "field %u has wire type %d, which is not read", field->number, (int)field->type),
               false;
    }
    if (!whole)
        sw_wire_fail(wire, "field %u reaches beyond its message", field->number);
    return whole;
}

static bool wanted(sw_wire *wire, const sw_wire_field *field, sw_wire_type type)
{
    if (field->type == type)
        return true;
    sw_wire_fail(wire, "field %u has wire type %d, needs %d", field->number, (int)field->type, (int)type);
    return false;
}

sw_wire sw_wire_enter(const sw_wire *wire, const sw_wire_field *field)
{
    sw_wire inner = *wire;
    inner.depth++;
    if (!wanted(&inner, field, SW_WIRE_BYTES))
        return inner;
    inner.at = field->bytes;
    inner.end = field->bytes + field->size;
    if (inner.depth > SW_WIRE_MAX_DEPTH)
        sw_wire_fail(&inner, "messages nest deeper than %d", SW_WIRE_MAX_DEPTH);
    return inner;
}

int64_t sw_wire_int(sw_wire *wire, const sw_wire_field *field)
{
    return wanted(wire, field, SW_WIRE_VARINT) ? (int64_t)field->integer : 0;
}

int64_t sw_wire_zigzag(sw_wire *wire, const sw_wire_field *field)
{
    uint64_t bits = (uint64_t)sw_wire_int(wire, field);
    return (int64_t)(bits >> 1 ^ (0 - (bits & 1)));
}

float sw_wire_float(sw_wire *wire, const sw_wire_field *field)
{
    return wanted(wire, field, SW_WIRE_FIXED32) ? sw_wire_bits_float(field->integer) : 0;
}

double sw_wire_double(sw_wire *wire, const sw_wire_field *field)
{
    return wanted(wire, field, SW_WIRE_FIXED64) ? sw_wire_bits_double(field->integer) : 0;
}

bool sw_wire_bytes(sw_wire *wire, const sw_wire_field *field, const uint8_t **bytes, size_t *size)
{
    bool right = wanted(wire, field, SW_WIRE_BYTES);
    *bytes = right ? field->bytes : NULL;
    *size = right ? field->size : 0;
    return right;
}

bool sw_wire_repeated(sw_wire *wire, const sw_wire_field *field, sw_wire_type type, size_t *position, uint64_t *bits)
{
    if (field->type == type && type != SW_WIRE_BYTES) {
        *bits = field->integer;
        return (*position)++ == 0;
    }
    if (!wanted(wire, field, SW_WIRE_BYTES) || *position >= field->size)
        return false;
    const uint8_t *at = field->bytes + *position, *end = field->bytes + field->size;
    bool whole = type == SW_WIRE_VARINT ? read_varint(&at, end, bits)
                                        : read_fixed(&at, end, type == SW_WIRE_FIXED64 ? 8 : 4, bits);
    if (!whole)
        return sw_wire_fail(wire, "the packed numbers of field %u are cut off", field->number), false;
    *position = (size_t)(at - field->bytes);
    return true;
}

size_t sw_wire_repeated_count(sw_wire *wire, const sw_wire_field *field, sw_wire_type type)
{
    size_t count = 0;
    if (field->type == type && type != SW_WIRE_BYTES)
        return 1;
    if (!wanted(wire, field, SW_WIRE_BYTES))
        return 0;
    size_t element = type == SW_WIRE_FIXED64 ? 8 : type == SW_WIRE_FIXED32 ? 4 : 0;
    if (element && field->size % element == 0)
        return field->size / element;
    for (size_t i = 0; !element && i < field->size; i++)
        count += !(field->bytes[i] & 0x80); /* each varint ends in exactly one such byte */
    if (element || (field->size && field->bytes[field->size - 1] & 0x80))
        return sw_wire_fail(wire, "the packed numbers of field %u are cut off", field->number), 0;
    return count;
}
