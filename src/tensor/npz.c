/* npz.c: many arrays under names: a ZIP archive of .npy files.
 *
 * An entry's size and CRC must stand before its bytes, so each array is produced twice: once into a counter, once
 * into the file. Entries that are not .npy are passed over, as NumPy passes them on unread. */
#include <string.h>

#include "base/hash.h"
#include "base/zip.h"
#include "tensor/npy.h"

void sw_npz_free(sw_context *ctx, sw_npz_entry *entries, int count)
{
    if (!entries)
        return;
    for (int i = 0; i < count; i++) {
        sw_free(ctx, entries[i].name);
        sw_tensor_release(entries[i].tensor);
    }
    sw_free(ctx, entries);
}

static bool ends_in_npy(const char *name, size_t *stem)
{
    size_t length = strlen(name);
    *stem = length - 4;
    return length >= 4 && memcmp(name + length - 4, ".npy", 4) == 0;
}

static sw_status read_entry(sw_context *ctx, const char *path, const sw_zip *zip, const sw_zip_entry *from, size_t stem,
                            sw_npz_entry *into)
{
    const uint8_t *bytes;
    void *owned;
    sw_status status = sw_zip_read(zip, from, &bytes, &owned);
    if (status != SW_OK)
        return sw_fail_in(status, "%s", path);
    status = sw_npy_read_bytes(ctx, from->name, bytes, from->size, &into->tensor);
    sw_free(ctx, owned);
    if (status != SW_OK)
        return sw_fail_in(status, "%s", path);
    into->name = sw_strndup(ctx, from->name, stem);
    if (into->name)
        return SW_OK;
    sw_tensor_release(into->tensor);
    return sw_alloc_status();
}

static sw_status read_all(sw_context *ctx, const char *path, const sw_zip *zip, sw_npz_entry **entries, int *count)
{
    sw_npz_entry *all = sw_alloc_array(ctx, (size_t)zip->count, sizeof *all);
    if (!all)
        return sw_alloc_status();
    sw_status status = SW_OK;
    int have = 0;
    for (int i = 0; i < zip->count && status == SW_OK; i++) {
        size_t stem;
        if (!ends_in_npy(zip->entries[i].name, &stem))
            continue;
        status = read_entry(ctx, path, zip, &zip->entries[i], stem, &all[have]);
        have += status == SW_OK;
    }
    if (status != SW_OK) {
        sw_npz_free(ctx, all, have);
        return status;
    }
    *entries = all;
    *count = have;
    return SW_OK;
}

sw_status sw_npz_read(sw_context *ctx, const char *path, sw_npz_entry **entries, int *count)
{
    sw_map_file map;
    sw_zip zip;
    SW_TRY(sw_file_map(&map, path));
    sw_status status = sw_zip_open(ctx, path, map.data, map.size, &zip);
    if (status == SW_OK) {
        status = read_all(ctx, path, &zip, entries, count);
        sw_zip_close(&zip);
    }
    sw_file_unmap(&map);
    return status;
}

struct measure {
    uint64_t size;
    uint32_t crc;
};

static sw_status measure_sink(void *user, const void *bytes, size_t size)
{
    struct measure *measure = user;
    measure->size += size;
    measure->crc = sw_crc32(measure->crc, bytes, size);
    return SW_OK;
}

static sw_status zip_sink(void *user, const void *bytes, size_t size) { return sw_zip_writer_bytes(user, bytes, size); }

static sw_status write_entry(sw_context *ctx, sw_zip_writer *zip, const sw_npz_entry *entry)
{
    struct measure measure = {0};
    SW_TRY(sw_npy_write_to(entry->tensor, measure_sink, &measure));
    char *name = sw_format(ctx, "%s.npy", entry->name);
    if (!name)
        return sw_alloc_status();
    sw_status status = sw_zip_writer_add(zip, name, measure.size, measure.crc);
    sw_free(ctx, name);
    return status == SW_OK ? sw_npy_write_to(entry->tensor, zip_sink, zip) : status;
}

sw_status sw_npz_write(sw_context *ctx, const sw_npz_entry *entries, int count, const char *path)
{
    sw_file_writer *file;
    SW_TRY(sw_file_begin(ctx, path, &file));
    sw_zip_writer *zip = sw_zip_writer_new(ctx, file);
    sw_status status = zip ? SW_OK : sw_alloc_status();
    for (int i = 0; i < count && status == SW_OK; i++)
        status = write_entry(ctx, zip, &entries[i]);
    if (status == SW_OK)
        status = sw_zip_writer_end(zip);
    sw_zip_writer_free(zip);
    if (status == SW_OK)
        return sw_file_commit(file);
    sw_file_abort(file);
    return status;
}
