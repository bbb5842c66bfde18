/* text.c: text that grows, keeps its first error, and is looked at once. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

void sw_text_init(sw_text *text, sw_context *ctx) { *text = (sw_text){.ctx = ctx}; }

void sw_text_free(sw_text *text)
{
    sw_free(text->ctx, text->data);
    sw_text_init(text, text->ctx);
}

void sw_text_clear(sw_text *text)
{
    text->size = 0;
    text->status = SW_OK;
    if (text->data)
        text->data[0] = '\0';
}

/* Room for `more` bytes and a NUL. */
static bool reserve(sw_text *text, size_t more)
{
    size_t wanted;
    if (text->status != SW_OK)
        return false;
    if (!sw_add_size(text->size, more, &wanted) || !sw_add_size(wanted, 1, &wanted)) {
        text->status = sw_fail(SW_NO_MEMORY, "no memory: text of %zu more bytes", more);
        return false;
    }
    if (wanted <= text->capacity)
        return true;
    size_t capacity = text->capacity < 64 ? 64 : text->capacity;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    char *grown = sw_realloc(text->ctx, text->data, capacity);
    if (!grown) {
        text->status = sw_alloc_status();
        return false;
    }
    text->data = grown;
    text->capacity = capacity;
    return true;
}

void sw_text_addn(sw_text *text, const void *bytes, size_t count)
{
    if (!reserve(text, count))
        return;
    if (count)
        memcpy(text->data + text->size, bytes, count);
    text->size += count;
    text->data[text->size] = '\0';
}

void sw_text_add(sw_text *text, const char *s) { sw_text_addn(text, s, strlen(s)); }

void sw_text_addf(sw_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

char *sw_text_take(sw_text *text)
{
    sw_text_addn(text, "", 0);
    if (text->status != SW_OK) {
        sw_text_free(text);
        return NULL;
    }
    char *data = text->data;
    sw_text_init(text, text->ctx);
    return data;
}
