/* What the store's tests share: a store in a folder of its own, gone afterwards, and short ways to publish. */
#ifndef TESTS_STORES_H
#define TESTS_STORES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "base/context.h"
#include "slipway/store.h"

struct fixture {
    sw_context *ctx;
    sw_store *store;
    char path[64];
};

static inline int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about, (void)kind, (void)at;
    return remove(path);
}

static inline void remove_folder(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        sw_status status_ = (call);                                                                                    \
        if (status_ != SW_OK)                                                                                          \
            fail_msg("%s: %s: %s", #call, sw_status_name(status_), sw_error_text());                                   \
    } while (0)
/* The call fails with that status, and its one line says `words`. */
#define assert_fails(expected, words, call)                                                                            \
    do {                                                                                                               \
        sw_status status_ = (call);                                                                                    \
        if (status_ != (expected) || !strstr(sw_error_text(), (words)))                                                \
            fail_msg("%s: %s: %s", #call, sw_status_name(status_), status_ ? sw_error_text() : "(succeeded)");         \
    } while (0)

static inline int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->path, "/tmp/slipway-store-XXXXXX");
    if (!mkdtemp(f->path) || !(f->ctx = sw_context_create(NULL)) ||
        sw_store_open(f->ctx, f->path, NULL, &f->store) != SW_OK)
        return -1;
    *state = f;
    return 0;
}

static inline int free_fixture(void **state)
{
    struct fixture *f = *state;
    sw_store_close(f->store);
    int left = sw_context_bytes(f->ctx) != 0;
    sw_context_free(f->ctx);
    remove_folder(f->path);
    free(f);
    return left;
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, make_fixture, free_fixture)

/* Publishes `text` as the only file of the next version. */
static inline sw_status publish_text(sw_store *store, const char *model, const char *text, const char *alias,
                                     int64_t *version)
{
    sw_model_file file = {.name = "model.onnx", .bytes = text, .size = strlen(text)};
    return sw_model_publish(
        store,
        &(sw_publication){
            .size = sizeof(sw_publication), .model = model, .files = &file, .file_count = 1, .alias = alias},
        version);
}

/* The text that publish_text put into `ref`. */
static inline void assert_holds(sw_store *store, const char *ref, const char *text)
{
    const sw_model_version *version;
    char found[256] = "";
    assert_ok(sw_model_version_open(store, ref, true, &version));
    FILE *file = fopen(sw_model_version_file(version, "model.onnx")->path, "rb");
    assert_non_null(file);
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    sw_model_version_free(version);
    assert_string_equal(found, text);
}

/* Files under blobs/. */
static int blob_files;
static inline int count_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)path, (void)about, (void)at;
    blob_files += kind == FTW_F;
    return 0;
}
static inline int count_blobs(const struct fixture *f)
{
    char path[96];
    snprintf(path, sizeof path, "%s/blobs", f->path);
    blob_files = 0;
    nftw(path, count_one, 16, FTW_PHYS);
    return blob_files;
}

#endif
