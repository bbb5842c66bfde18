/* zip_read.c: from the end of the file to its directory, from the directory to the entries.
 *
 * (APPNOTE.TXT 6.3.) The end record is searched backwards in the last 64 KiB; where its fields are full, the Zip64
 * record has the truth. Every read goes through a cursor that knows the file's size. */
#include <string.h>

#include "base/hash.h"
#include "base/zip.h"

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30 };
/* Deflate makes at most 1,032 bytes of one. */
#define MOST_RATIO 1032

struct archive {
    const char *name;
    const uint8_t *bytes;
    uint64_t size;
};

static uint32_t le16(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8; }
static uint32_t le32(const uint8_t *at) { return le16(at) | le16(at + 2) << 16; }
static uint64_t le64(const uint8_t *at) { return le32(at) | (uint64_t)le32(at + 4) << 32; }

static sw_status corrupt(const struct archive *archive, const char *what)
{
    return sw_fail(SW_CORRUPT, "%s: not a ZIP archive that can be read: %s", archive->name, what);
}

/* `count` bytes at `offset`, or NULL when the file does not hold them. */
static const uint8_t *bytes_at(const struct archive *archive, uint64_t offset, uint64_t count)
{
    return offset <= archive->size && archive->size - offset >= count ? archive->bytes + offset : NULL;
}

static sw_status find_directory(const struct archive *archive, uint64_t *offset, uint64_t *size, uint64_t *count)
{
    if (archive->size < END_SIZE)
        return corrupt(archive, "too short");
    uint64_t at = archive->size - END_SIZE, last = at > UINT16_MAX ? at - UINT16_MAX : 0;
    while (memcmp(archive->bytes + at, "PK\5\6", 4) != 0) {
        if (at == last)
            return corrupt(archive, "it has no directory");
        at--;
    }
    const uint8_t *end = archive->bytes + at;
    if (le16(end + 4) != le16(end + 6))
        return corrupt(archive, "split over several files");
    *count = le16(end + 10);
    *size = le32(end + 12);
    *offset = le32(end + 16);
    if (*count != UINT16_MAX && *size != UINT32_MAX && *offset != UINT32_MAX)
        return SW_OK;
    const uint8_t *locator = at >= LOCATOR_SIZE ? archive->bytes + at - LOCATOR_SIZE : NULL;
    if (!locator || memcmp(locator, "PK\6\7", 4) != 0)
        return SW_OK; /* exactly 65,535 entries, perhaps */
    const uint8_t *end64 = bytes_at(archive, le64(locator + 8), END64_SIZE);
    if (!end64 || memcmp(end64, "PK\6\6", 4) != 0)
        return corrupt(archive, "the Zip64 record is missing");
    *count = le64(end64 + 32);
    *size = le64(end64 + 40);
    *offset = le64(end64 + 48);
    return SW_OK;
}

/* The Zip64 field (id 1) holds, in this order, those of size, packed size and offset that are full in the record. */
static sw_status read_extra(const struct archive *archive, const uint8_t *extra, uint64_t length, uint64_t *fields[3])
{
    while (length >= 4) {
        uint64_t id = le16(extra), field = le16(extra + 2);
        if (field > length - 4)
            return corrupt(archive, "an extra field is cut off");
        const uint8_t *at = extra + 4, *end = at + field;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (end - at < 8)
                return corrupt(archive, "a Zip64 field is cut off");
            *fields[i] = le64(at);
            at += 8;
        }
        extra = end;
        length -= 4 + field;
    }
    return SW_OK;
}

static sw_status locate(const struct archive *archive, sw_zip_entry *entry, uint64_t offset)
{
    const uint8_t *local = bytes_at(archive, offset, LOCAL_SIZE);
    if (!local || memcmp(local, "PK\3\4", 4) != 0)
        return corrupt(archive, "an entry is not where the directory says");
    uint64_t skip = LOCAL_SIZE + (uint64_t)le16(local + 26) + le16(local + 28);
    entry->data = bytes_at(archive, offset + skip, entry->packed);
    if (!entry->data)
        return corrupt(archive, "an entry reaches beyond the file");
    if (entry->deflated ? entry->size / MOST_RATIO > entry->packed : entry->size != entry->packed)
        return corrupt(archive, "an entry claims more bytes than it can hold");
    return SW_OK;
}

static sw_status read_entry(const struct archive *archive, sw_zip *zip, uint64_t *at)
{
    const uint8_t *head = bytes_at(archive, *at, CENTRAL_SIZE);
    if (!head || memcmp(head, "PK\1\2", 4) != 0)
        return corrupt(archive, "the directory is cut off");
    uint64_t name = le16(head + 28), extra = le16(head + 30), comment = le16(head + 32);
    if (!bytes_at(archive, *at, CENTRAL_SIZE + name + extra + comment))
        return corrupt(archive, "the directory is cut off");
    if (le16(head + 8) & 1)
        return sw_fail(SW_UNSUPPORTED, "%s: the ZIP archive is encrypted", archive->name);
    if (name > SW_ZIP_MAX_NAME || memchr(head + CENTRAL_SIZE, '\0', name))
        return corrupt(archive, "an entry's name is too long or holds a NUL");
    uint32_t method = le16(head + 10);
    if (method != 0 && method != 8)
        return sw_fail(SW_UNSUPPORTED, "%s: ZIP compression method %u; stored and deflated are read", archive->name,
                       method);
    uint64_t offset = le32(head + 42);
    sw_zip_entry entry = {
        .deflated = method == 8, .crc = le32(head + 16), .packed = le32(head + 20), .size = le32(head + 24)};
    SW_TRY(read_extra(archive, head + CENTRAL_SIZE + name, extra, (uint64_t *[]){&entry.size, &entry.packed, &offset}));
    SW_TRY(locate(archive, &entry, offset));
    entry.name = sw_strndup(zip->ctx, (const char *)head + CENTRAL_SIZE, name);
    if (!entry.name)
        return sw_alloc_status();
    zip->entries[zip->count++] = entry;
    *at += CENTRAL_SIZE + name + extra + comment;
    return SW_OK;
}

sw_status sw_zip_open(sw_context *ctx, const char *name, const void *bytes, size_t size, sw_zip *zip)
{
    struct archive archive = {name, bytes, size};
    uint64_t at = 0, length = 0, count = 0, packed = 0;
    *zip = (sw_zip){.ctx = ctx};
    SW_TRY(find_directory(&archive, &at, &length, &count));
    if (!bytes_at(&archive, at, length) || count > length / CENTRAL_SIZE)
        return corrupt(&archive, "the directory reaches beyond the file");
    if (count > SW_ZIP_MAX_ENTRIES)
        return sw_fail(SW_INVALID, "%s: the ZIP archive has %llu entries, at most %d are read", name,
                       (unsigned long long)count, SW_ZIP_MAX_ENTRIES);
    zip->entries = sw_alloc_array(ctx, count, sizeof *zip->entries);
    sw_status status = zip->entries ? SW_OK : sw_alloc_status();
    for (uint64_t i = 0; i < count && status == SW_OK; i++) {
        status = read_entry(&archive, zip, &at);
        /* Entries that share their bytes are how a small file becomes a huge one. */
        if (status == SW_OK && (packed += zip->entries[i].packed) > size)
            status = corrupt(&archive, "entries overlap");
    }
    if (status != SW_OK)
        sw_zip_close(zip);
    return status;
}

void sw_zip_close(sw_zip *zip)
{
    for (int i = 0; i < zip->count; i++)
        sw_free(zip->ctx, zip->entries[i].name);
    if (zip->entries)
        sw_free(zip->ctx, zip->entries);
    *zip = (sw_zip){0};
}

sw_status sw_zip_read(const sw_zip *zip, const sw_zip_entry *entry, const uint8_t **contents, void **owned)
{
    *owned = NULL;
    *contents = entry->data;
    if (entry->deflated) {
        *owned = sw_alloc_aligned(zip->ctx, entry->size, 64);
        if (!*owned)
            return sw_alloc_status();
        sw_status status = sw_inflate(zip->ctx, entry->name, entry->data, entry->packed, *owned, entry->size);
        if (status != SW_OK) {
            sw_free(zip->ctx, *owned);
            *owned = NULL;
            return status;
        }
        *contents = *owned;
    }
    if (sw_crc32(0, *contents, entry->size) == entry->crc)
        return SW_OK;
    sw_free(zip->ctx, *owned);
    *owned = NULL;
    return sw_fail(SW_CORRUPT, "%s: the CRC says that bytes have changed", entry->name);
}
