/* tests/data/support.h: small data sets on disk, made for one test and gone with its folder. */
#ifndef TESTS_DATA_SUPPORT_H
#define TESTS_DATA_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/file.h"
#include "slipway/data.h"

typedef struct place {
    sw_context *ctx;
    char folder[64];
    char path[128]; /* of the last place_path */
} place;

static inline int place_make(void **state)
{
    static place p;
    p.ctx = sw_context_create(NULL);
    strcpy(p.folder, "/tmp/slipway-data-XXXXXX");
    *state = &p;
    return p.ctx != NULL && mkdtemp(p.folder) != NULL ? 0 : -1;
}

static inline int place_drop(void **state)
{
    place *p = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", p->folder);
    int gone = system(command);
    uint64_t left = sw_context_bytes(p->ctx);
    sw_context_free(p->ctx);
    return gone == 0 && left == 0 ? 0 : -1; /* every test gives back what it took */
}

static inline const char *place_path(place *p, const char *name)
{
    snprintf(p->path, sizeof p->path, "%s/%s", p->folder, name);
    return p->path;
}

static inline void place_write(place *p, const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(place_path(p, name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static inline void place_write_gz(place *p, const char *name, const void *bytes, size_t size)
{
    gzFile f = gzopen(place_path(p, name), "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)size), (int)size);
    gzclose(f);
}

/* An IDX file in memory: header and `bytes` of elements copied from `data`. Returns its length. */
static inline size_t idx_bytes(uint8_t *out, uint8_t type, int rank, const uint32_t *dims, const void *data,
                               size_t bytes)
{
    out[0] = out[1] = 0;
    out[2] = type;
    out[3] = (uint8_t)rank;
    for (int i = 0; i < rank; i++)
        for (int b = 0; b < 4; b++)
            out[4 + 4 * i + b] = (uint8_t)(dims[i] >> (24 - 8 * b));
    size_t head = 4 + 4 * (size_t)rank;
    if (bytes > 0)
        memcpy(out + head, data, bytes);
    return head + bytes;
}

/* `count` pictures of 4x3 whose pixels are all (first + i) % 251 + 1, labelled (first + i) % 10: a sample's pixels
 * tell which sample it is. */
#define TINY_HEIGHT 4
#define TINY_WIDTH 3
static inline void write_tiny(place *p, const char *images, const char *labels, uint32_t first, uint32_t count)
{
    static uint8_t pixels[1 << 16], file[1 << 17], names[4096];
    for (uint32_t i = 0; i < count; i++) {
        memset(pixels + i * TINY_HEIGHT * TINY_WIDTH, (int)((first + i) % 251 + 1), TINY_HEIGHT * TINY_WIDTH);
        names[i] = (uint8_t)((first + i) % 10);
    }
    size_t n =
        idx_bytes(file, 8, 3, (uint32_t[]){count, TINY_HEIGHT, TINY_WIDTH}, pixels, count * TINY_HEIGHT * TINY_WIDTH);
    place_write(p, images, file, n);
    n = idx_bytes(file, 8, 1, (uint32_t[]){count}, names, count);
    place_write_gz(p, labels, file, n);
}

/* A whole tiny "mnist" in the folder. */
static inline void write_tiny_mnist(place *p, uint32_t train, uint32_t test)
{
    write_tiny(p, "train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", 0, train);
    write_tiny(p, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", train, test);
}

static inline sw_dataset *open_tiny(place *p, const char *name, int64_t validation)
{
    return sw_dataset_open(
        p->ctx, name,
        &(sw_dataset_options){.size = sizeof(sw_dataset_options), .folder = p->folder, .validation = validation});
}

/* NULL when it cannot be; the text says why. */
static inline sw_loader *open_loader(sw_dataset *data, const sw_loader_options *options)
{
    sw_loader *loader = NULL;
    return sw_loader_open(data, options, &loader) == SW_OK ? loader : NULL;
}

#define assert_text_has(text, part)                                                                                    \
    do {                                                                                                               \
        if (strstr((text), (part)) == NULL)                                                                            \
            fail_msg("'%s' does not say '%s'", (text), (part));                                                        \
    } while (0)

#endif
