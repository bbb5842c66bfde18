/* image_jpeg.c: JPEG through libjpeg-turbo: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.
 *
 * libjpeg reports an error by calling a function that must not return: ours jumps back to the one place below that
 * frees everything. What lives across the jump is in `struct job`, not in locals. A file that ends early is refused,
 * though the library would fill in grey; so is one with absurdly many scans, which cost much and show nothing. */
#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

#include "ops/image_inside.h"

enum { MOST_SCANS = 200 };

struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    sw_context *ctx;
    const unsigned char *bytes;
    size_t size;
    int channels;
    sw_status status; /* of what failed, with its text set */
    sw_tensor *picture;
    uint8_t *row; /* CMYK only */
};

static void give_up(j_common_ptr common, sw_status status)
{
    struct job *job = common->client_data;
    job->status = status;
    longjmp(job->back, 1);
}

static void on_error(j_common_ptr common)
{
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    bool memory = common->err->msg_code == JERR_OUT_OF_MEMORY;
    give_up(common, sw_fail(memory ? SW_NO_MEMORY : SW_INVALID, "JPEG: %s", text));
}

/* Warnings are what many a camera's files give; only missing data is none to live with. */
static void on_message(j_common_ptr common, int level)
{
    if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF)
        give_up(common, sw_fail(SW_INVALID, "JPEG: the file ends before the picture does"));
}

static void on_progress(j_common_ptr common)
{
    if (((j_decompress_ptr)common)->input_scan_number > MOST_SCANS)
        give_up(common, sw_fail(SW_INVALID, "JPEG: more than %d scans", MOST_SCANS));
}

/* Ink to light; Adobe's files hold it inverted. */
static void cmyk_to_rgb(uint8_t *pixels, size_t count, bool inverted)
{
    for (size_t i = 0; i < count; i++, pixels += 4) {
        int k = inverted ? pixels[3] : 255 - pixels[3];
        for (int c = 0; c < 3; c++)
            pixels[c] = (uint8_t)(((inverted ? pixels[c] : 255 - pixels[c]) * k + 127) / 255);
        pixels[3] = 255;
    }
}

static void read_rows(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    size_t stride = (size_t)jpeg->output_width * (size_t)job->channels;
    uint8_t *to = sw_tensor_data(job->picture);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *line = to + jpeg->output_scanline * stride, *row = job->row ? job->row : line;
        if (jpeg_read_scanlines(jpeg, &row, 1) != 1)
            give_up((j_common_ptr)jpeg, sw_fail(SW_INVALID, "JPEG: the file ends before the picture does"));
        if (job->row) {
            if (jpeg->out_color_space == JCS_CMYK)
                cmyk_to_rgb(job->row, jpeg->output_width, jpeg->saw_Adobe_marker);
            sw_picture_convert(job->row, 4, line, job->channels, jpeg->output_width);
        }
    }
}

static void run(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->client_data = job;
    jpeg->progress = &job->progress;
    jpeg_mem_src(jpeg, job->bytes, (unsigned long)job->size);
    jpeg_read_header(jpeg, TRUE);
    sw_status status =
        sw_picture_new(job->ctx, "JPEG", jpeg->image_width, jpeg->image_height, job->channels, &job->picture);
    if (status != SW_OK)
        give_up((j_common_ptr)jpeg, status);
    bool ink = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    /* Luma is that of the pixels as they are shown, as for every other format, not the file's own Y before clipping. */
    bool coloured = job->channels == 1 && jpeg->jpeg_color_space != JCS_GRAYSCALE;
    jpeg->out_color_space = ink                  ? JCS_CMYK
                            : coloured           ? JCS_EXT_RGBA
                            : job->channels == 1 ? JCS_GRAYSCALE
                            : job->channels == 3 ? JCS_RGB
                                                 : JCS_EXT_RGBA;
    if ((ink || coloured) && (job->row = sw_alloc(job->ctx, (size_t)jpeg->image_width * 4)) == NULL)
        give_up((j_common_ptr)jpeg, sw_alloc_status());
    jpeg_start_decompress(jpeg);
    read_rows(job);
    jpeg_finish_decompress(jpeg);
}

sw_status sw_picture_jpeg(sw_context *ctx, const void *bytes, size_t size, int channels, sw_tensor **picture)
{
    struct job job = {.ctx = ctx, .bytes = bytes, .size = size, .channels = channels};
    job.jpeg.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    job.progress.progress_monitor = on_progress;
    job.jpeg.client_data = &job;
    if (setjmp(job.back) == 0)
        run(&job);
    jpeg_destroy_decompress(&job.jpeg);
    sw_free(ctx, job.row);
    if (job.status != SW_OK)
        sw_tensor_release(job.picture);
    else
        *picture = job.picture;
    return job.status;
}
