/* picture.c: drawing with characters, and writing PNG, PGM and PPM.
 *
 * A cell of a terminal is about twice as high as it is wide, so one cell shows two rows of the picture: on a terminal
 * as an upper half block whose two colours are the two pixels, elsewhere as one letter of their mean darkness.
 *
 * PNG (ISO/IEC 15948): signature, then chunks of length, type, data and CRC-32 over type and data; the pixels, each row
 * with a filter byte (0: none) before it, are one zlib stream. */
#include "cli/picture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"

#define COLUMNS 64

/* ---- Drawing ---- */

/* Mean brightness of the pixels that fall on column `x` and half row `y` when `scale` pixels share one. */
static int brightness(const cli_picture *p, int x, int y, int scale)
{
    long sum = 0, count = 0;
    for (int i = y * scale; i < (y + 1) * scale && i < p->height; i++)
        for (int j = x * scale; j < (x + 1) * scale && j < p->width; j++)
            for (int c = 0; c < p->channels; c++, count++)
                sum += p->pixels[((long)i * p->width + j) * p->channels + c];
    return count ? (int)(sum / count) : 0;
}

static bool terminal_draws(void)
{
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(plain && *plain);
}

void cli_picture_draw(const cli_picture *picture)
{
    static const char letters[] = " .:-=+*#%@";
    int scale = (picture->width + COLUMNS - 1) / COLUMNS;
    int columns = (picture->width + scale - 1) / scale, rows = (picture->height + scale - 1) / scale;
    bool colours = terminal_draws();
    for (int y = 0; y < rows; y += 2) {
        for (int x = 0; x < columns; x++) {
            int upper = brightness(picture, x, y, scale), lower = brightness(picture, x, y + 1, scale);
            if (colours) /* 232 to 255: the 24 greys of the 256 colours */
                printf("\x1b[38;5;%d;48;5;%dm\u2580", 232 + upper * 23 / 255, 232 + lower * 23 / 255);
            else
                putchar(letters[(upper + lower) / 2 * 9 / 255]);
        }
        puts(colours ? "\x1b[0m" : "");
    }
}

/* ---- Files ---- */

static void add_chunk(sw_text *png, const char *type, const void *data, size_t size)
{
    uint32_t length = htonl((uint32_t)size), crc;
    sw_text_addn(png, &length, 4);
    sw_text_addn(png, type, 4);
    sw_text_addn(png, data, size);
    crc = (uint32_t)crc32(0, (const Bytef *)type, 4);
    if (size)
        crc = (uint32_t)crc32(crc, data, (uInt)size);
    crc = htonl(crc);
    sw_text_addn(png, &crc, 4);
}

static sw_status add_pixels(sw_context *ctx, sw_text *png, const cli_picture *p)
{
    size_t row = (size_t)p->width * (size_t)p->channels, size = (row + 1) * (size_t)p->height;
    uLongf packed_size = compressBound(size);
    uint8_t *rows = sw_alloc(ctx, size), *packed = sw_alloc(ctx, packed_size);
    sw_status status = rows && packed ? SW_OK : sw_alloc_status();
    for (int y = 0; status == SW_OK && y < p->height; y++) {
        rows[(size_t)y * (row + 1)] = 0;
        memcpy(rows + (size_t)y * (row + 1) + 1, p->pixels + (size_t)y * row, row);
    }
    if (status == SW_OK && compress(packed, &packed_size, rows, size) != Z_OK)
        status = sw_fail(SW_NO_MEMORY, "no memory to pack a picture");
    if (status == SW_OK)
        add_chunk(png, "IDAT", packed, packed_size);
    sw_free(ctx, rows);
    sw_free(ctx, packed);
    return status;
}

sw_status cli_picture_png(sw_context *ctx, sw_text *png, const cli_picture *p)
{
    uint8_t header[13] = {0};
    uint32_t width = htonl((uint32_t)p->width), height = htonl((uint32_t)p->height);
    memcpy(header, &width, 4);
    memcpy(header + 4, &height, 4);
    header[8] = 8;
    header[9] = p->channels == 3 ? 2 : 0; /* colour type: truecolour or greyscale */
    sw_text_addn(png, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(png, "IHDR", header, sizeof header);
    SW_TRY(add_pixels(ctx, png, p));
    add_chunk(png, "IEND", NULL, 0);
    return png->status;
}

static void make_pnm(sw_text *pnm, const cli_picture *p)
{
    sw_text_addf(pnm, "P%c\n%d %d\n255\n", p->channels == 3 ? '6' : '5', p->width, p->height);
    sw_text_addn(pnm, p->pixels, (size_t)p->width * (size_t)p->height * (size_t)p->channels);
}

sw_status cli_picture_write(sw_context *ctx, const cli_picture *picture, const char *path)
{
    const char *dot = strrchr(path, '.');
    sw_text text;
    sw_status status = SW_OK;
    sw_text_init(&text, ctx);
    if (dot && strcmp(dot, ".png") == 0)
        status = cli_picture_png(ctx, &text, picture);
    else if (dot && strcmp(dot, picture->channels == 3 ? ".ppm" : ".pgm") == 0)
        make_pnm(&text, picture);
    else
        status = sw_fail(SW_INVALID, "%s: a picture is written as .png or %s", path,
                         picture->channels == 3 ? ".ppm" : ".pgm");
    if (status == SW_OK)
        status = text.status;
    if (status == SW_OK)
        status = sw_file_write(ctx, path, text.data, text.size);
    sw_text_free(&text);
    return status;
}
