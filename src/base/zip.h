/* base/zip.h: ZIP archives: read in place from mapped bytes, written in one forward pass.
 *
 * Stored and deflated entries, Zip64, CRC checked. Everything in an archive is untrusted: offsets are checked against
 * the file, names are limited, an entry may not claim more bytes than deflate can make of it. Encrypted, split and
 * otherwise compressed archives are refused. Uses: alloc.h, file.h. */
#ifndef SW_BASE_ZIP_H
#define SW_BASE_ZIP_H

#include "base/file.h"

#define SW_ZIP_MAX_ENTRIES 65536
#define SW_ZIP_MAX_NAME 1024

typedef struct sw_zip_entry {
    char *name; /* NUL-terminated; owned by the reader */
    bool deflated;
    uint32_t crc;
    uint64_t packed, size; /* bytes in the file, bytes of contents */
    const uint8_t *data;   /* the packed bytes, in the file */
} sw_zip_entry;

typedef struct sw_zip {
    sw_context *ctx;
    sw_zip_entry *entries;
    int count;
} sw_zip;

/* Reads the directory of the archive at `bytes`, which must outlive `zip`. `name` is for messages. */
sw_status sw_zip_open(sw_context *ctx, const char *name, const void *bytes, size_t size, sw_zip *zip);
void sw_zip_close(sw_zip *zip); /* a zeroed one is allowed */
/* The contents of an entry, CRC checked: `*contents` points into the file when the entry is stored, else at fresh
 * memory, which `*owned` then names (release with sw_free). */
sw_status sw_zip_read(const sw_zip *zip, const sw_zip_entry *entry, const uint8_t **contents, void **owned);

/* Raw deflate (no zlib or gzip header) into exactly `size` bytes; SW_CORRUPT when it makes more, less or nonsense. */
sw_status sw_inflate(sw_context *ctx, const char *name, const void *packed, uint64_t packed_size, void *out,
                     uint64_t size);

/* Writing goes to a sw_file_writer that the caller begins and commits. An entry's bytes come in pieces between
 * add and end; size and CRC are stated beforehand (entries are stored). */
typedef struct sw_zip_writer sw_zip_writer;
sw_zip_writer *sw_zip_writer_new(sw_context *ctx, sw_file_writer *file);
sw_status sw_zip_writer_add(sw_zip_writer *zip, const char *name, uint64_t size, uint32_t crc);
sw_status sw_zip_writer_bytes(sw_zip_writer *zip, const void *bytes, size_t size);
sw_status sw_zip_writer_end(sw_zip_writer *zip); /* the directory; the file is the caller's to commit */
void sw_zip_writer_free(sw_zip_writer *zip);

#endif
