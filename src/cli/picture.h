/* cli/picture.h: pictures for people: drawn in the terminal, or written as a file that other programs take.
 *
 * A picture is 8 bits per channel, [height, width, channels], row-major, 1 (grey) or 3 (red, green, blue) channels. */
#ifndef SW_CLI_PICTURE_H
#define SW_CLI_PICTURE_H

#include "cli/cli.h"

typedef struct cli_picture {
    const uint8_t *pixels;
    int height, width, channels;
} cli_picture;

/* On stdout, at most 64 columns wide: half blocks in shades of grey on a terminal, letters elsewhere. */
void cli_picture_draw(const cli_picture *picture);

/* By the file's name: .png, .pgm (grey), .ppm (colour). Written atomically. SW_INVALID for another name. */
sw_status cli_picture_write(sw_context *ctx, const cli_picture *picture, const char *path);

/* Appends the picture as a PNG file's bytes. */
sw_status cli_picture_png(sw_context *ctx, sw_text *png, const cli_picture *picture);

#endif
