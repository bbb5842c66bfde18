/* utf8.c: one character in, one character out. Whatever comes from a file or a socket is checked here. */
#include "base/text.h"

/* Per length: the bits of the first byte that tell it, and the least code that needs it. */
static const struct form {
    uint8_t mask, mark;
    uint32_t least;
} forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};

static bool is_character(uint32_t code) { return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF); }

int sw_utf8_decode(const char *text, size_t size, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    for (int length = 1; length <= 4 && (size_t)length <= size; length++) {
        const struct form *form = &forms[length - 1];
        if ((s[0] & form->mask) != form->mark)
            continue;
        uint32_t value = s[0] & (uint8_t)~form->mask;
        for (int i = 1; i < length; i++) {
            if ((s[i] & 0xC0) != 0x80)
                return 0;
            value = value << 6 | (s[i] & 0x3F);
        }
        if (value < form->least || !is_character(value))
            return 0;
        if (code)
            *code = value;
        return length;
    }
    return 0;
}

int sw_utf8_encode(uint32_t code, char text[4])
{
    if (!is_character(code))
        return 0;
    int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(forms[length - 1].mark | code);
    return length;
}

bool sw_utf8_valid(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        int length = sw_utf8_decode(text + at, size - at, NULL);
        if (!length)
            return false;
        at += (size_t)length;
    }
    return true;
}
