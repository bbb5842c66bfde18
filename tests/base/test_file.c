/* What file.h promises: whole files or none, folders made, clear refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"

static sw_context *ctx;
static char folder[64], path[128];

static int set_up(void **state)
{
    (void)state;
    ctx = sw_context_create(NULL);
    strcpy(folder, "/tmp/slipway-file-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int entries(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    int left = sw_context_bytes(ctx) != 0;
    sw_context_free(ctx);
    return left;
}

static void assert_holds(const char *wanted)
{
    char *text;
    size_t size;
    assert_int_equal(sw_file_read(ctx, path, 1 << 20, &text, &size), SW_OK);
    assert_int_equal(size, strlen(wanted));
    assert_string_equal(text, wanted);
    sw_free(ctx, text);
}

static void test_written_bytes_are_read_and_mapped_back(void **state)
{
    (void)state;
    sw_map_file map;
    assert_int_equal(sw_file_write(ctx, path, "hello", 5), SW_OK);
    assert_holds("hello");
    assert_int_equal(sw_file_map(&map, path), SW_OK);
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "hello", 5);
    sw_file_unmap(&map);
    sw_file_unmap(&map);
    assert_int_equal(sw_file_write(ctx, path, NULL, 0), SW_OK);
    assert_int_equal(sw_file_map(&map, path), SW_OK);
    assert_int_equal(map.size, 0);
    assert_non_null(map.data);
    sw_file_unmap(&map);
    assert_int_equal(entries(), 1);
}

static void test_pieces_large_and_small_arrive_in_order(void **state)
{
    (void)state;
    enum { N = 300000 };
    char *bytes = malloc(N);
    for (int i = 0; i < N; i++)
        bytes[i] = (char)(i * 31);
    sw_file_writer *writer;
    assert_int_equal(sw_file_begin(ctx, path, &writer), SW_OK);
    for (size_t at = 0, piece = 1; at < N; at += piece, piece = piece * 3 % 70001 + 1) {
        if (piece > N - at)
            piece = N - at;
        assert_int_equal(sw_file_add(writer, bytes + at, piece), SW_OK);
    }
    assert_false(sw_path_exists(path));
    assert_int_equal(sw_file_commit(writer), SW_OK);
    sw_map_file map;
    assert_int_equal(sw_file_map(&map, path), SW_OK);
    assert_int_equal(map.size, N);
    assert_memory_equal(map.data, bytes, N);
    sw_file_unmap(&map);
    free(bytes);
}

static void test_an_aborted_write_leaves_the_old_file(void **state)
{
    (void)state;
    sw_file_writer *writer;
    assert_int_equal(sw_file_write(ctx, path, "old", 3), SW_OK);
    assert_int_equal(sw_file_begin(ctx, path, &writer), SW_OK);
    assert_int_equal(sw_file_add(writer, "new", 3), SW_OK);
    sw_file_abort(writer);
    sw_file_abort(NULL);
    assert_holds("old");
    assert_int_equal(entries(), 1);
}

/* The device that is always full stands in for a full disk. */
static void test_a_full_disk_is_said_and_nothing_stays(void **state)
{
    (void)state;
    sw_file_writer *writer;
    char *big = calloc(1, 1 << 20);
    if (access("/dev/full", W_OK) != 0) {
        free(big);
        print_message("skipped: no /dev/full\n");
        skip();
    }
    assert_int_equal(sw_file_write(ctx, path, "old", 3), SW_OK);
    assert_int_equal(sw_file_begin(ctx, path, &writer), SW_OK);
    /* The temporary's descriptor is made to point at /dev/full. */
    char link[64], target[256];
    for (int fd = 3; fd < 64; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n > 0 && (target[n] = '\0', strstr(target, ".tmp-"))) {
            FILE *full = fopen("/dev/full", "w");
            dup2(fileno(full), fd);
            fclose(full);
        }
    }
    assert_int_equal(sw_file_add(writer, big, 1 << 20), SW_IO);
    assert_non_null(strstr(sw_error_text(), "no space left"));
    assert_int_equal(sw_file_add(writer, "x", 1), SW_IO);
    assert_int_equal(sw_file_commit(writer), SW_IO);
    assert_holds("old");
    assert_int_equal(entries(), 1);
    free(big);
}

static void test_what_is_no_readable_file_is_refused(void **state)
{
    (void)state;
    sw_map_file map;
    char *text;
    assert_int_equal(sw_file_map(&map, "/nonexistent/file"), SW_NOT_FOUND);
    assert_non_null(strstr(sw_error_text(), "/nonexistent/file"));
    assert_int_equal(sw_file_map(&map, folder), SW_INVALID);
    assert_int_equal(sw_file_map(&map, "/dev/null"), SW_INVALID);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sw_file_map(&map, path), SW_INVALID); /* and does not wait for a writer */
    unlink(path);
    assert_int_equal(sw_file_write(ctx, path, "12345", 5), SW_OK);
    assert_int_equal(sw_file_read(ctx, path, 4, &text, NULL), SW_INVALID);
    assert_int_equal(sw_file_write(ctx, "/nonexistent/x/y", "a", 1), SW_NOT_FOUND);
}

static void test_folders_are_made_once_or_twice(void **state)
{
    (void)state;
    char deep[256];
    snprintf(deep, sizeof deep, "%s/a/b//c/", folder);
    assert_int_equal(sw_make_folders(deep), SW_OK);
    assert_int_equal(sw_make_folders(deep), SW_OK);
    assert_true(sw_path_exists(deep));
    assert_int_equal(sw_file_write(ctx, path, "", 0), SW_OK);
    snprintf(deep, sizeof deep, "%s/under", path);
    assert_int_not_equal(sw_make_folders(deep), SW_OK);
    assert_int_equal(sw_make_folders(path), SW_EXISTS);
    assert_int_equal(sw_make_folders(""), SW_INVALID);
    for (const char *const *part = (const char *const[]){"a/b/c", "a/b", "a", NULL}; *part; part++) {
        snprintf(deep, sizeof deep, "%s/%s", folder, *part);
        rmdir(deep);
    }
}

static void test_paths_join(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {"a", "/b", "/b"}};
    for (size_t i = 0; i < 5; i++) {
        char *joined;
        assert_int_equal(sw_path_join(ctx, cases[i][0], cases[i][1], &joined), SW_OK);
        assert_string_equal(joined, cases[i][2]);
        sw_free(ctx, joined);
    }
}

static void test_failing_memory_leaves_no_file_behind(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        sw_alloc_fail_at(ctx, n);
        sw_status status = sw_file_write(ctx, path, "abc", 3);
        bool failed = sw_alloc_failed(ctx);
        sw_alloc_fail_at(ctx, 0);
        assert_int_equal(status, failed ? SW_NO_MEMORY : SW_OK);
        if (!failed)
            break;
        assert_int_equal(entries(), 0);
    }
    assert_holds("abc");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_written_bytes_are_read_and_mapped_back),
        TEST(test_pieces_large_and_small_arrive_in_order),
        TEST(test_an_aborted_write_leaves_the_old_file),
        TEST(test_a_full_disk_is_said_and_nothing_stays),
        TEST(test_what_is_no_readable_file_is_refused),
        TEST(test_folders_are_made_once_or_twice),
        TEST(test_paths_join),
        TEST(test_failing_memory_leaves_no_file_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
