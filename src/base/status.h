/* base/status.h: how a failure travels.
 *
 * A fallible function returns sw_status and leaves one line of text for its thread: what was wrong, where,
 * and what would be right. The line is kept in thread-local memory of fixed size, so that reporting "no
 * memory" needs none. Between threads an sw_error carries status and text by value. Uses: nothing. */
#ifndef SW_BASE_STATUS_H
#define SW_BASE_STATUS_H

#include <stdarg.h>

#include "slipway/base.h"

#define SW_ERROR_TEXT_MAX 1024

typedef struct sw_error {
    sw_status status;
    char text[SW_ERROR_TEXT_MAX];
} sw_error;

/* Sets this thread's text and returns `status`, so that `return sw_fail(…)` reads well. The text is cut at
 * SW_ERROR_TEXT_MAX - 1 bytes; newlines become spaces. */
sw_status sw_fail(sw_status status, const char *format, ...) SW_PRINTF(2, 3);
sw_status sw_vfail(sw_status status, const char *format, va_list args);

/* As sw_fail, with ": <strerror(error)>" behind it; the status follows errno (ENOENT: SW_NOT_FOUND,
 * ENOMEM: SW_NO_MEMORY, EEXIST: SW_EXISTS, else SW_IO). ENOSPC says "no space left". */
sw_status sw_fail_errno(int error, const char *format, ...) SW_PRINTF(2, 3);

/* Puts "<format>: " before this thread's text and returns `status`: for callers that know the where. */
sw_status sw_fail_in(sw_status status, const char *format, ...) SW_PRINTF(2, 3);

/* This thread's failure as a value, and back again. */
sw_error sw_error_take(sw_status status);
sw_status sw_error_raise(const sw_error *error);

#define SW_TRY(call)                                                                                                   \
    do {                                                                                                               \
        sw_status sw_try_status_ = (call);                                                                             \
        if (sw_try_status_ != SW_OK)                                                                                   \
            return sw_try_status_;                                                                                     \
    } while (0)

#endif
