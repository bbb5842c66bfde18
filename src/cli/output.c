/* output.c: what the program says. Results go to stdout, everything else to stderr. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/inside.h"

int cli_fail(cli *c, sw_status status)
{
    (void)c;
    const char *text = sw_error_text();
    fprintf(stderr, "slipway: %s\n", *text ? text : sw_status_name(status));
    return 1;
}

int cli_wrong(cli *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "slipway%s%s: ", c->verb ? " " : "", c->verb ? c->verb->name : "");
    vfprintf(stderr, format, args);
    fprintf(stderr, "; see 'slipway help%s%s'\n", c->verb ? " " : "", c->verb ? c->verb->name : "");
    va_end(args);
    return 2;
}

void cli_note(cli *c, const char *format, ...)
{
    va_list args;
    if (cli_flag(c, "quiet"))
        return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

const char *cli_format(cli *c, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length >= 0 ? sw_arena_alloc(c->arena, (size_t)length + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text ? text : "(no memory)";
}

const char *cli_time(cli *c, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    char text[32] = "-";
    if (wall_ms > 0 && localtime_r(&seconds, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
    return cli_format(c, "%s", text);
}

sw_json_writer *cli_json_begin(cli *c, char bracket)
{
    sw_text_init(&c->json_text, c->own);
    sw_json_begin(&c->json, &c->json_text, true);
    sw_json_open(&c->json, NULL, bracket);
    return &c->json;
}

int cli_json_done(cli *c, char bracket)
{
    sw_json_close(&c->json, bracket);
    if (c->json_text.status != SW_OK)
        return cli_fail(c, c->json_text.status);
    printf("%s\n", c->json_text.data);
    return 0;
}

void cli_table_row(cli *c, const char *first, ...)
{
    va_list args;
    cli_row row = {0};
    va_start(args, first);
    for (const char *cell = first; cell; cell = va_arg(args, const char *)) {
        const char *copy = cli_format(c, "%s", cell);
        if (sw_vec_push(c->own, &row, copy) != SW_OK)
            break;
    }
    va_end(args);
    if (sw_vec_push(c->own, &c->rows, row) != SW_OK)
        sw_vec_free(c->own, &row);
}

/* Columns on a screen: code points, which is right for the names that stand in our tables. */
static int width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

int cli_table_done(cli *c)
{
    int widths[16] = {0};
    for (size_t i = 0; i < c->rows.count; i++)
        for (size_t j = 0; j < c->rows.items[i].count && j < 16; j++)
            if (width(c->rows.items[i].items[j]) > widths[j])
                widths[j] = width(c->rows.items[i].items[j]);
    for (size_t i = 0; i < c->rows.count; i++) {
        const cli_row *row = &c->rows.items[i];
        for (size_t j = 0; j < row->count; j++) {
            bool last = j + 1 == row->count;
            printf("%s%*s", row->items[j], last ? 0 : widths[j < 16 ? j : 15] - width(row->items[j]) + 2, "");
        }
        putchar('\n');
    }
    return 0;
}
