/* Pictures: what comes out of each kind of file, and that no bytes do harm. */
#include "walk.h"

#include "ops/image.h"
#include "pictures.h"

/* The pixels of the lossless pictures, row by row. */
static const uint8_t expected[12][3] = {{255, 0, 0}, {0, 255, 0},     {0, 0, 255},   {255, 255, 255},
                                        {0, 0, 0},   {128, 128, 128}, {10, 200, 30}, {250, 128, 3},
                                        {1, 2, 3},   {254, 253, 252}, {64, 0, 191},  {90, 91, 92}};

#define PICTURE(name) name, sizeof name

static sw_tensor *decoded(sw_context *ctx, const void *bytes, size_t size, int channels)
{
    sw_tensor *picture;
    if (sw_image_decode(ctx, bytes, size, channels, &picture) != SW_OK)
        fail_msg("%s", sw_error_text());
    assert_int_equal(sw_tensor_dtype(picture), SW_U8);
    assert_int_equal(sw_tensor_dim(picture, 2), channels);
    return picture;
}

static void assert_lossless(sw_context *ctx, const void *bytes, size_t size)
{
    sw_tensor *picture = decoded(ctx, bytes, size, 3);
    assert_true(sw_dims_equal(sw_tensor_dims(picture), SW_DIMS(3, 4, 3)));
    assert_memory_equal(sw_tensor_data(picture), expected, sizeof expected);
    sw_tensor_release(picture);
}

static void test_every_kind_of_png_gives_its_pixels(void **state)
{
    assert_lossless(*state, PICTURE(rgb_png));
    assert_lossless(*state, PICTURE(palette_png));
    assert_lossless(*state, PICTURE(interlaced_png));
    assert_lossless(*state, PICTURE(deep_png));
    assert_lossless(*state, PICTURE(alpha_png));
}

static void test_one_bit_pixels_are_black_and_white(void **state)
{
    static const uint8_t bits[20] = {255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 255};
    sw_tensor *picture = decoded(*state, PICTURE(bits_png), 1);
    assert_memory_equal(sw_tensor_data(picture), bits, sizeof bits);
    sw_tensor_release(picture);
}

/* Luma by BT.601, as Pillow converts; grey files keep their numbers. */
static void test_luma_and_alpha(void **state)
{
    sw_tensor *picture = decoded(*state, PICTURE(rgb_png), 1);
    assert_int_equal(sw_tensor_get_int(picture, 0), 76);
    assert_int_equal(sw_tensor_get_int(picture, 1), 150);
    assert_int_equal(sw_tensor_get_int(picture, 2), 29);
    assert_int_equal(sw_tensor_get_int(picture, 5), 128);
    sw_tensor *grey = decoded(*state, PICTURE(gray_png), 1);
    assert_true(same_bits(picture, grey));
    sw_tensor_release(picture);
    sw_tensor_release(grey);

    picture = decoded(*state, PICTURE(alpha_png), 4);
    for (int i = 0; i < 12; i++)
        assert_int_equal(sw_tensor_get_int(picture, 4 * i + 3), 20 * i);
    sw_tensor_release(picture);
    picture = decoded(*state, PICTURE(rgb_png), 4);
    assert_int_equal(sw_tensor_get_int(picture, 3), 255);
    sw_tensor_release(picture);
}

/* Left half orange (240, 120, 20), right half teal (10, 140, 160), within what the quality loses. */
static void assert_halves(sw_context *ctx, const void *bytes, size_t size, int slack)
{
    static const int colours[2][3] = {{240, 120, 20}, {10, 140, 160}};
    sw_tensor *picture = decoded(ctx, bytes, size, 3);
    assert_true(sw_dims_equal(sw_tensor_dims(picture), SW_DIMS(16, 32, 3)));
    for (int half = 0; half < 2; half++)
        for (int c = 0; c < 3; c++) {
            int64_t at = (8 * 32 + (half ? 25 : 3)) * 3 + c, got = sw_tensor_get_int(picture, at);
            if (llabs(got - colours[half][c]) > slack)
                fail_msg("half %d, channel %d: %lld, should be about %d", half, c, (long long)got, colours[half][c]);
        }
    sw_tensor_release(picture);
}

static void test_every_kind_of_jpeg_gives_its_colours(void **state)
{
    assert_halves(*state, PICTURE(base_jpg), 4);
    assert_halves(*state, PICTURE(progressive_jpg), 4);
    assert_halves(*state, PICTURE(cmyk_jpg), 4);
    sw_tensor *grey = decoded(*state, PICTURE(gray_jpg), 3);
    assert_int_equal(sw_tensor_get_int(grey, 0), sw_tensor_get_int(grey, 2));
    sw_tensor_release(grey);
    sw_tensor *luma = decoded(*state, PICTURE(base_jpg), 1), *rgba = decoded(*state, PICTURE(base_jpg), 4);
    assert_true(llabs(sw_tensor_get_int(luma, 0) - 144) <= 3); /* 0.299 * 240 + 0.587 * 120 + 0.114 * 20 */
    assert_int_equal(sw_tensor_get_int(rgba, 3), 255);
    sw_tensor_release(luma);
    sw_tensor_release(rgba);
}

static void test_every_kind_of_webp(void **state)
{
    sw_context *ctx = *state;
    assert_lossless(ctx, PICTURE(lossless_webp));
    assert_halves(ctx, PICTURE(lossy_webp), 8);
    sw_tensor *picture = decoded(ctx, PICTURE(alpha_webp), 4);
    assert_int_equal(sw_tensor_get_int(picture, 4 * 7 + 3), 140);
    sw_tensor_release(picture);
    picture = decoded(ctx, PICTURE(lossless_webp), 1);
    assert_int_equal(sw_tensor_get_int(picture, 1), 150);
    sw_tensor_release(picture);
    assert_int_equal(sw_image_decode(ctx, PICTURE(animated_webp), 3, &picture), SW_UNSUPPORTED);
}

static void test_a_size_beyond_the_limits_is_refused_before_memory_is_taken(void **state)
{
    sw_context *ctx = *state;
    uint64_t before = sw_context_peak_bytes(ctx);
    sw_tensor *picture;
    assert_int_equal(sw_image_decode(ctx, PICTURE(huge_png), 3, &picture), SW_INVALID);
    assert_null(picture);
    assert_true(sw_context_peak_bytes(ctx) < before + 65536);
}

static void test_other_bytes_are_named(void **state)
{
    sw_tensor *picture;
    assert_int_equal(sw_image_decode(*state, "GIF89a....", 10, 3, &picture), SW_UNSUPPORTED);
    assert_non_null(strstr(sw_error_text(), "no PNG, JPEG or WebP"));
    assert_int_equal(sw_image_decode(*state, "", 0, 3, &picture), SW_UNSUPPORTED);
    assert_int_equal(sw_image_decode(*state, PICTURE(rgb_png), 2, &picture), SW_INVALID);
}

static const struct {
    const unsigned char *bytes;
    size_t size;
} files[] = {{PICTURE(rgb_png)},         {PICTURE(palette_png)}, {PICTURE(interlaced_png)}, {PICTURE(base_jpg)},
             {PICTURE(progressive_jpg)}, {PICTURE(cmyk_jpg)},    {PICTURE(lossless_webp)},  {PICTURE(lossy_webp)}};

/* Cut anywhere, a file gives a text and nothing else; trailing marks that carry no pixels may be missing. */
static void test_a_cut_file_is_an_answer(void **state)
{
    sw_context *ctx = *state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        uint64_t before = sw_context_bytes(ctx);
        for (size_t cut = 0; cut < files[f].size; cut += 7) {
            sw_tensor *picture;
            uint8_t *exact = malloc(cut + 1); /* so that a read beyond is one beyond the block */
            memcpy(exact, files[f].bytes, cut);
            sw_status status = sw_image_decode(ctx, exact, cut, 3, &picture);
            assert_true((status == SW_OK) == (picture != NULL));
            if (status == SW_OK && cut + 16 < files[f].size)
                fail_msg("file %zu cut at %zu of %zu was taken", f, cut, files[f].size);
            sw_tensor_release(picture);
            free(exact);
        }
        assert_int_equal(sw_context_bytes(ctx), before);
    }
}

static void test_flipped_bits_do_no_harm(void **state)
{
    sw_context *ctx = *state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++)
        for (uint64_t round = 0; round < 300; round++) {
            sw_random_address at = {.seed = 17, .stream = (uint32_t)f, .step = (uint32_t)round};
            uint8_t *bytes = malloc(files[f].size);
            memcpy(bytes, files[f].bytes, files[f].size);
            for (uint64_t k = 0; k < 3; k++)
                bytes[sw_random_below(at, 2 * k, files[f].size)] ^= (uint8_t)(1 << sw_random_below(at, 2 * k + 1, 8));
            sw_tensor *picture;
            sw_image_decode(ctx, bytes, files[f].size, 3, &picture);
            sw_tensor_release(picture);
            free(bytes);
        }
}

static void test_every_allocation_of_a_decoder_may_fail(void **state)
{
    sw_context *ctx = *state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        uint64_t before = sw_context_bytes(ctx);
        bool failed = true;
        for (uint64_t nth = 1; failed; nth++) {
            sw_tensor *picture;
            sw_alloc_fail_at(ctx, nth);
            sw_status status = sw_image_decode(ctx, files[f].bytes, files[f].size, 1, &picture);
            failed = sw_alloc_failed(ctx);
            sw_alloc_fail_at(ctx, 0);
            assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
            sw_tensor_release(picture);
            assert_int_equal(sw_context_bytes(ctx), before);
        }
    }
}

/* The way of a served picture: bytes, pixels, one plane, another size, numbers around 0. */
static void test_a_picture_becomes_a_networks_input(void **state)
{
    sw_context *ctx = *state;
    sw_graph *g = sw_graph_new(ctx, SW_EAGER);
    sw_tensor *bytes = sw_tensor_from(ctx, SW_U8, SW_DIMS(sizeof rgb_png), rgb_png);
    sw_value *pixels = sw_decode_image(g, sw_input(g, bytes), 1);
    sw_value *plane = sw_reshape(g, sw_transpose(g, pixels, 3, (int64_t[]){2, 0, 1}), SW_DIMS(1, 1, 3, 4));
    sw_value *sized = sw_resize(g, sw_cast(g, plane, SW_F32), 6, 8, "linear");
    sw_value *ready = sw_normalize(g, sized, 1, 1, (double[]){127.5}, (double[]){63.75});
    if (!sw_ok(g))
        fail_msg("%s", sw_graph_error(g));
    sw_tensor *result = sw_value_tensor(ready);
    assert_true(sw_dims_equal(sw_tensor_dims(result), SW_DIMS(1, 1, 6, 8)));
    assert_true(fabs(sw_tensor_get(result, 0) - (76 - 127.5) / 63.75) < 1e-6);
    sw_tensor_release(bytes);
    sw_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_of_png_gives_its_pixels, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_one_bit_pixels_are_black_and_white, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_luma_and_alpha, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_every_kind_of_jpeg_gives_its_colours, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_every_kind_of_webp, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_a_size_beyond_the_limits_is_refused_before_memory_is_taken, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(test_other_bytes_are_named, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_a_cut_file_is_an_answer, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_flipped_bits_do_no_harm, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_every_allocation_of_a_decoder_may_fail, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_a_picture_becomes_a_networks_input, open_context, close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
