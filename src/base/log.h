/* base/log.h: lines for people who operate. The library never prints: lines go to the context's sink, or
 * nowhere. Thread-safe; a line is at most 2048 bytes and has no newline. Uses: nothing. */
#ifndef SW_BASE_LOG_H
#define SW_BASE_LOG_H

#include "slipway/base.h"

void sw_log_line(sw_context *ctx, sw_log_level level, const char *format, ...) SW_PRINTF(3, 4);
#define sw_log_error(ctx, ...) sw_log_line((ctx), SW_LOG_ERROR, __VA_ARGS__)
#define sw_log_warn(ctx, ...) sw_log_line((ctx), SW_LOG_WARN, __VA_ARGS__)
#define sw_log_info(ctx, ...) sw_log_line((ctx), SW_LOG_INFO, __VA_ARGS__)
#define sw_log_debug(ctx, ...) sw_log_line((ctx), SW_LOG_DEBUG, __VA_ARGS__)

#endif
