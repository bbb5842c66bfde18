/* log.c: formats one line and hands it to the context's sink, one thread at a time. The sink must not log. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/inside.h"

void sw_log_line(sw_context *ctx, sw_log_level level, const char *format, ...)
{
    if (!ctx->log)
        return;
    char line[2049];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    pthread_mutex_lock(&ctx->log_lock);
    ctx->log(ctx->log_user, level, line);
    pthread_mutex_unlock(&ctx->log_lock);
}
