/* blobs.c: files named by the SHA-256 of their bytes, in blobs/ab/cdef….
 *
 * A blob is written beside its place, flushed, and renamed into it, so under its name there are the right bytes or
 * nothing. Putting bytes that are there already only touches the file: its age is what keeps sw_store_gc away until
 * a row points at it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/inside.h"

void sw_bytes_text(uint64_t bytes, char text[24])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    int unit = -1;
    while (value >= 999.95 && unit < 5) {
        value /= 1000;
        unit++;
    }
    if (unit < 0)
        snprintf(text, 24, "%d bytes", (int)bytes);
    else
        snprintf(text, 24, "%.1f %s", value, units[unit]);
}

/* sw_fail_errno promises the words; a database says them too. */
bool sw_store_is_full(sw_status status) { return status == SW_IO && strstr(sw_error_text(), "no space left") != NULL; }

sw_status sw_blob_file(const sw_store *store, const char *hash, char path[SW_STORE_PATH_MAX])
{
    /* The hash may come from a row or from outside; only digits may become part of a path. */
    if (strspn(hash, "0123456789abcdef") != SW_BLOB_HEX - 1 || hash[SW_BLOB_HEX - 1] != '\0')
        return sw_fail(SW_CORRUPT, "store: '%.80s' is no blob's hash", hash);
    int used = snprintf(path, SW_STORE_PATH_MAX, "%s/%.2s/%s", store->blobs, hash, hash + 2);
    return used < SW_STORE_PATH_MAX ? SW_OK : sw_fail(SW_INVALID, "store: the folder's path is too long");
}

static sw_status size_of(const char *path, uint64_t *size)
{
    struct stat about;
    *size = 0;
    if (stat(path, &about) != 0)
        return sw_fail_errno(errno, "store: blob %s", path);
    *size = (uint64_t)about.st_size;
    return SW_OK;
}

/* True when the blob is there, whole and with the right bytes; then it is young again. The bytes are looked at,
 * because whoever puts them counts on them from now on, and a damaged file can still be mended here. */
static bool touch(sw_store *store, const sw_blob *blob, const char *path)
{
    char found[SW_STORE_PATH_MAX];
    return access(path, F_OK) == 0 && sw_blob_path(store, blob, true, found) == SW_OK &&
           utimensat(AT_FDCWD, path, NULL, 0) == 0;
}

static sw_status write_blob(sw_store *store, const char *path, const void *bytes, size_t size)
{
    char folder[SW_STORE_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    SW_TRY(sw_make_folders(folder));
    SW_TRY(sw_file_write(store->ctx, path, bytes, size));
    chmod(path, 0444); /* a reminder, not a protection: it may fail without harm */
    return SW_OK;
}

sw_status sw_blob_put(sw_store *store, const void *bytes, size_t size, sw_blob *blob)
{
    char path[SW_STORE_PATH_MAX];
    if (store->read_only)
        return sw_fail(SW_IO, "store: %s was opened read-only", store->path);
    SW_TRY(sw_sha256_hex(bytes, size, blob->hash));
    blob->size = size;
    SW_TRY(sw_blob_file(store, blob->hash, path));
    if (touch(store, blob, path))
        return SW_OK;
    sw_status status = write_blob(store, path, bytes, size);
    /* A missing parent folder is a fault of the disk, not an answer to a question. */
    return status == SW_NOT_FOUND ? SW_IO : status;
}

/* A file may change while it is read, and then the blob would not be what its name says: the copy is looked at
 * again after it was written. */
sw_status sw_blob_put_file(sw_store *store, const char *path, sw_blob *blob)
{
    char kept[SW_STORE_PATH_MAX];
    sw_map_file file;
    SW_TRY(sw_file_map(&file, path));
    sw_status status = sw_blob_put(store, file.data, file.size, blob);
    sw_file_unmap(&file);
    SW_TRY(status);
    status = sw_blob_path(store, blob, true, kept);
    if (status == SW_CORRUPT) {
        unlink(kept);
        return sw_fail(SW_IO, "%s changed while it was being stored", path);
    }
    return status;
}

sw_status sw_blob_still_there(const sw_store *store, const sw_blob *blob)
{
    char path[SW_STORE_PATH_MAX];
    uint64_t size;
    SW_TRY(sw_blob_file(store, blob->hash, path));
    SW_TRY(size_of(path, &size));
    return size == blob->size ? SW_OK : sw_fail(SW_NOT_FOUND, "store: blob %s is not whole", blob->hash);
}

sw_status sw_blob_path(sw_store *store, const sw_blob *blob, bool verify, char path[SW_STORE_PATH_MAX])
{
    uint64_t size;
    SW_TRY(sw_blob_file(store, blob->hash, path));
    SW_TRY(size_of(path, &size));
    if (size != blob->size)
        return sw_fail(SW_CORRUPT, "store: %s is damaged: %llu bytes, must be %llu", path, (unsigned long long)size,
                       (unsigned long long)blob->size);
    if (!verify)
        return SW_OK;
    char hash[SW_SHA256_HEX];
    SW_TRY(sw_sha256_file(store->ctx, path, hash));
    return strcmp(hash, blob->hash) == 0 ? SW_OK : sw_fail(SW_CORRUPT, "store: %s is damaged: its bytes changed", path);
}
