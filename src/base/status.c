/* status.c: the one line of text that belongs to a failure.
 *
 * The text lives in a thread-local array of fixed size: reporting that memory ran out needs no memory, and a
 * server's threads never see each other's texts. A new text may be made from the old one (sw_fail_in), so
 * every writer formats aside first and copies at the end. */
#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char error_text[SW_ERROR_TEXT_MAX];

const char *sw_status_name(sw_status status)
{
    static const char *const names[SW_STATUS_COUNT] = {
        [SW_OK] = "ok",
        [SW_INVALID] = "invalid",
        [SW_SHAPE] = "shape",
        [SW_UNSUPPORTED] = "unsupported",
        [SW_NOT_FOUND] = "not found",
        [SW_EXISTS] = "exists",
        [SW_NO_MEMORY] = "no memory",
        [SW_BUDGET] = "budget",
        [SW_IO] = "io",
        [SW_CORRUPT] = "corrupt",
        [SW_BUSY] = "busy",
        [SW_IDENTITY] = "identity",
        [SW_CANCELLED] = "cancelled",
        [SW_DEADLINE] = "deadline",
        [SW_INTERNAL] = "internal",
    };
    if ((int)status < 0 || status >= SW_STATUS_COUNT)
        return "unknown";
    return names[status];
}

const char *sw_error_text(void) { return error_text; }

void sw_error_clear(void) { error_text[0] = '\0'; }

/* One line: what a file or a peer put into a message must not forge a second one. */
static void keep(char *line)
{
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    memcpy(error_text, line, strlen(line) + 1);
}

sw_status sw_vfail(sw_status status, const char *format, va_list args)
{
    char line[SW_ERROR_TEXT_MAX];
    vsnprintf(line, sizeof line, format, args);
    keep(line);
    return status;
}

sw_status sw_fail(sw_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sw_vfail(status, format, args);
    va_end(args);
    return status;
}

/* ": <more>" behind the first `used` bytes of `line`, cut where the line ends. */
static void append(char line[SW_ERROR_TEXT_MAX], size_t used, const char *more)
{
    size_t room = SW_ERROR_TEXT_MAX - 1 - used, length = strlen(more);
    if (room < 2)
        return;
    memcpy(line + used, ": ", 2);
    if (length > room - 2)
        length = room - 2;
    memcpy(line + used + 2, more, length);
    line[used + 2 + length] = '\0';
}

sw_status sw_fail_in(sw_status status, const char *format, ...)
{
    char line[SW_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof line)
        append(line, (size_t)used, error_text);
    keep(line);
    return status;
}

static sw_status status_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return SW_NOT_FOUND;
    case ENOMEM:
        return SW_NO_MEMORY;
    case EEXIST:
        return SW_EXISTS;
    default:
        return SW_IO;
    }
}

sw_status sw_fail_errno(int error, const char *format, ...)
{
    char line[SW_ERROR_TEXT_MAX], reason[128];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    const char *why = error == ENOSPC || error == EDQUOT ? "no space left" : strerror_r(error, reason, sizeof reason);
    if (used >= 0 && (size_t)used < sizeof line)
        append(line, (size_t)used, why);
    keep(line);
    return status_of_errno(error);
}

sw_error sw_error_take(sw_status status)
{
    sw_error error = {.status = status};
    memcpy(error.text, error_text, sizeof error.text);
    return error;
}

sw_status sw_error_raise(const sw_error *error)
{
    if (error->status != SW_OK)
        memcpy(error_text, error->text, sizeof error_text);
    return error->status;
}
