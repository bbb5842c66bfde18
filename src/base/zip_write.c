/* zip_write.c: entries one after the other, stored, then the directory.
 *
 * Each entry carries the Zip64 field, so that there is one form for small and large; Python's zipfile, Info-ZIP and
 * NumPy read it. The date is the earliest that ZIP knows: equal contents give equal archives. */
#include <string.h>

#include "base/vec.h"
#include "base/zip.h"

struct written {
    char *name;
    uint64_t size, offset;
    uint32_t crc;
};

struct sw_zip_writer {
    sw_context *ctx;
    sw_file_writer *file;
    uint64_t at, open; /* bytes written; bytes still owed to the last entry */
    sw_vec(struct written) entries;
};

enum { VERSION = 45, DATE = 1 << 5 | 1 }; /* 4.5: Zip64; 1980-01-01 */

struct record {
    uint8_t bytes[96];
    size_t size;
};

static void put(struct record *record, int bytes, uint64_t value)
{
    for (int i = 0; i < bytes; i++)
        record->bytes[record->size++] = (uint8_t)(value >> 8 * i);
}

static sw_status send(sw_zip_writer *zip, const void *bytes, size_t size)
{
    zip->at += size;
    return sw_file_add(zip->file, bytes, size);
}

sw_zip_writer *sw_zip_writer_new(sw_context *ctx, sw_file_writer *file)
{
    sw_zip_writer *zip = sw_alloc_zero(ctx, sizeof *zip);
    if (zip) {
        zip->ctx = ctx;
        zip->file = file;
    }
    return zip;
}

/* What local and central headers have in common: from the version to the CRC and full 32-bit sizes. */
static void put_common(struct record *record, const struct written *entry)
{
    put(record, 2, VERSION);
    put(record, 2, 1 << 11); /* the name is UTF-8 */
    put(record, 2, 0);       /* stored */
    put(record, 2, 0);
    put(record, 2, DATE);
    put(record, 4, entry->crc);
    put(record, 4, UINT32_MAX);
    put(record, 4, UINT32_MAX);
    put(record, 2, strlen(entry->name));
}

sw_status sw_zip_writer_add(sw_zip_writer *zip, const char *name, uint64_t size, uint32_t crc)
{
    if (zip->open)
        return sw_fail(SW_INTERNAL, "ZIP: the entry before '%s' lacks %llu bytes", name, (unsigned long long)zip->open);
    if (strlen(name) > SW_ZIP_MAX_NAME)
        return sw_fail(SW_INVALID, "ZIP: a name has %zu bytes, at most %d are written", strlen(name), SW_ZIP_MAX_NAME);
    struct written entry = {sw_strdup(zip->ctx, name), size, zip->at, crc};
    if (!entry.name)
        return sw_alloc_status();
    if (sw_vec_push(zip->ctx, &zip->entries, entry) != SW_OK) {
        sw_free(zip->ctx, entry.name);
        return sw_alloc_status();
    }
    zip->open = size;
    struct record record = {0};
    put(&record, 4, 0x04034b50);
    put_common(&record, &entry);
    put(&record, 2, 20);
    SW_TRY(send(zip, record.bytes, record.size));
    SW_TRY(send(zip, name, strlen(name)));
    record.size = 0;
    put(&record, 2, 1);
    put(&record, 2, 16);
    put(&record, 8, size);
    put(&record, 8, size);
    return send(zip, record.bytes, record.size);
}

sw_status sw_zip_writer_bytes(sw_zip_writer *zip, const void *bytes, size_t size)
{
    if (size > zip->open)
        return sw_fail(SW_INTERNAL, "ZIP: an entry gets more bytes than were stated");
    zip->open -= size;
    return send(zip, bytes, size);
}

static sw_status write_central(sw_zip_writer *zip, const struct written *entry)
{
    struct record record = {0};
    put(&record, 4, 0x02014b50);
    put(&record, 2, 3 << 8 | VERSION); /* made on Unix */
    put_common(&record, entry);
    put(&record, 2, 28);
    put(&record, 2, 0);
    put(&record, 2, 0);
    put(&record, 2, 0);
    put(&record, 4, 0100644u << 16); /* a plain file, rw-r--r-- */
    put(&record, 4, UINT32_MAX);
    SW_TRY(send(zip, record.bytes, record.size));
    SW_TRY(send(zip, entry->name, strlen(entry->name)));
    record.size = 0;
    put(&record, 2, 1);
    put(&record, 2, 24);
    put(&record, 8, entry->size);
    put(&record, 8, entry->size);
    put(&record, 8, entry->offset);
    return send(zip, record.bytes, record.size);
}

sw_status sw_zip_writer_end(sw_zip_writer *zip)
{
    if (zip->open)
        return sw_fail(SW_INTERNAL, "ZIP: the last entry lacks %llu bytes", (unsigned long long)zip->open);
    uint64_t start = zip->at, count = zip->entries.count;
    for (size_t i = 0; i < count; i++)
        SW_TRY(write_central(zip, &zip->entries.items[i]));
    uint64_t end = zip->at, size = end - start;
    struct record record = {0};
    put(&record, 4, 0x06064b50);
    put(&record, 8, 44);
    put(&record, 2, VERSION);
    put(&record, 2, VERSION);
    put(&record, 8, 0);
    put(&record, 8, count);
    put(&record, 8, count);
    put(&record, 8, size);
    put(&record, 8, start);
    put(&record, 4, 0x07064b50);
    put(&record, 4, 0);
    put(&record, 8, end);
    put(&record, 4, 1);
    SW_TRY(send(zip, record.bytes, record.size));
    uint64_t short_count = count < UINT16_MAX ? count : UINT16_MAX;
    record.size = 0;
    put(&record, 4, 0x06054b50);
    put(&record, 4, 0);
    put(&record, 2, short_count);
    put(&record, 2, short_count);
    put(&record, 4, size < UINT32_MAX ? size : UINT32_MAX);
    put(&record, 4, start < UINT32_MAX ? start : UINT32_MAX);
    put(&record, 2, 0);
    return send(zip, record.bytes, record.size);
}

void sw_zip_writer_free(sw_zip_writer *zip)
{
    if (!zip)
        return;
    for (size_t i = 0; i < zip->entries.count; i++)
        sw_free(zip->ctx, zip->entries.items[i].name);
    sw_vec_free(zip->ctx, &zip->entries);
    sw_free(zip->ctx, zip);
}
