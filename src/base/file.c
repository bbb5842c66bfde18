/* file.c: reading by mapping or copying, and replacing by temporary, flush and rename.
 *
 * rename(2) is the only moment at which a reader can see a change, and both the bytes before it and the
 * folder after it are flushed: after a crash there is the old file or the new one, whole. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static sw_status open_regular(const char *path, int *fd, size_t *size)
{
    /* O_NONBLOCK: a FIFO must be refused, not waited for. */
    *size = 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return sw_fail_errno(errno, "%s: cannot open", path);
    struct stat about;
    sw_status status = SW_OK;
    if (fstat(*fd, &about) != 0)
        status = sw_fail_errno(errno, "%s: cannot stat", path);
    else if (S_ISDIR(about.st_mode))
        status = sw_fail(SW_INVALID, "%s: is a folder, not a file", path);
    else if (!S_ISREG(about.st_mode))
        status = sw_fail(SW_INVALID, "%s: is not a regular file", path);
    if (status != SW_OK)
        close(*fd);
    else
        *size = (size_t)about.st_size;
    return status;
}

sw_status sw_file_map(sw_map_file *map, const char *path)
{
    int fd;
    size_t size;
    *map = (sw_map_file){0};
    SW_TRY(open_regular(path, &fd, &size));
    if (size == 0) {
        close(fd);
        map->data = (const uint8_t *)"";
        return SW_OK;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (data == MAP_FAILED)
        return sw_fail_errno(error, "%s: cannot map", path);
    *map = (sw_map_file){data, size};
    return SW_OK;
}

void sw_file_unmap(sw_map_file *map)
{
    if (map->size)
        munmap((void *)map->data, map->size);
    *map = (sw_map_file){0};
}

static sw_status read_all(int fd, const char *path, char *text, size_t *size)
{
    size_t got = 0;
    while (got < *size) {
        ssize_t n = read(fd, text + got, *size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sw_fail_errno(errno, "%s: cannot read", path);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    text[ *size = got] = '\0';
    return SW_OK;
}

sw_status sw_file_read(sw_context *ctx, const char *path, size_t limit, char **text, size_t *size)
{
    int fd;
    size_t length;
    SW_TRY(open_regular(path, &fd, &length));
    sw_status status = SW_OK;
    char *memory = NULL;
    if (length > limit)
        status = sw_fail(SW_INVALID, "%s: has %zu bytes, at most %zu are read", path, length, limit);
    else if (!(memory = sw_alloc(ctx, length + 1)))
        status = sw_alloc_status();
    else
        status = read_all(fd, path, memory, &length);
    close(fd);
    if (status != SW_OK) {
        sw_free(ctx, memory);
        return status;
    }
    *text = memory;
    if (size)
        *size = length;
    return SW_OK;
}

struct sw_file_writer {
    sw_context *ctx;
    char *path, *temporary, *folder; /* folder: where both stand */
    int fd;
    sw_status status; /* the first failure; later calls repeat it */
    size_t used;
    unsigned char buffer[1 << 15];
};

static void writer_free(sw_file_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    sw_free(writer->ctx, writer->path);
    sw_free(writer->ctx, writer->temporary);
    sw_free(writer->ctx, writer->folder);
    sw_free(writer->ctx, writer);
}

static char *folder_of(sw_context *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? sw_strndup(ctx, path, slash == path ? 1 : (size_t)(slash - path)) : sw_strdup(ctx, ".");
}

sw_status sw_file_begin(sw_context *ctx, const char *path, sw_file_writer **out)
{
    static atomic_uint counter;
    sw_file_writer *writer = sw_alloc(ctx, sizeof *writer);
    if (!writer)
        return sw_alloc_status();
    writer->ctx = ctx;
    writer->fd = -1;
    writer->status = SW_OK;
    writer->used = 0;
    writer->temporary = NULL;
    writer->path = sw_strdup(ctx, path);
    writer->folder = folder_of(ctx, path);
    if (writer->path && writer->folder)
        writer->temporary = sw_format(ctx, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&counter, 1));
    if (!writer->temporary) {
        writer_free(writer);
        return sw_alloc_status();
    }
    writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (writer->fd < 0) {
        sw_status status = sw_fail_errno(errno, "%s: cannot write", path);
        writer_free(writer);
        return status;
    }
    *out = writer;
    return SW_OK;
}

static sw_status put(sw_file_writer *writer, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t n = write(writer->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return writer->status = sw_fail_errno(errno, "%s: cannot write", writer->path);
        at += n;
        size -= (size_t)n;
    }
    return SW_OK;
}

static sw_status flush(sw_file_writer *writer)
{
    size_t used = writer->used;
    writer->used = 0;
    return put(writer, writer->buffer, used);
}

sw_status sw_file_add(sw_file_writer *writer, const void *bytes, size_t size)
{
    if (writer->status != SW_OK)
        return sw_fail(writer->status, "%s: an earlier write failed", writer->path);
    if (size > sizeof writer->buffer - writer->used) {
        SW_TRY(flush(writer));
        if (size >= sizeof writer->buffer)
            return put(writer, bytes, size);
    }
    if (size)
        memcpy(writer->buffer + writer->used, bytes, size);
    writer->used += size;
    return SW_OK;
}

/* Without this a crash may forget the rename, though not the bytes. */
static sw_status flush_folder(const sw_file_writer *writer)
{
    int fd = open(writer->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sw_status status = SW_OK;
    /* Some file systems cannot flush a folder (EINVAL); then there is nothing more to do. */
    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        status = sw_fail_errno(errno, "%s: cannot flush the folder", writer->path);
    if (fd >= 0)
        close(fd);
    return status;
}

sw_status sw_file_commit(sw_file_writer *writer)
{
    sw_status status = writer->status;
    if (status != SW_OK)
        sw_fail(status, "%s: an earlier write failed", writer->path);
    else
        status = flush(writer);
    if (status == SW_OK && fsync(writer->fd) != 0)
        status = sw_fail_errno(errno, "%s: cannot flush", writer->path);
    int fd = writer->fd;
    writer->fd = -1;
    if (close(fd) != 0 && status == SW_OK)
        status = sw_fail_errno(errno, "%s: cannot close", writer->path);
    if (status == SW_OK && rename(writer->temporary, writer->path) != 0)
        status = sw_fail_errno(errno, "%s: cannot put in place", writer->path);
    if (status == SW_OK)
        status = flush_folder(writer);
    else
        unlink(writer->temporary);
    writer_free(writer);
    return status;
}

void sw_file_abort(sw_file_writer *writer)
{
    if (!writer)
        return;
    unlink(writer->temporary);
    writer_free(writer);
}

sw_status sw_file_write(sw_context *ctx, const char *path, const void *bytes, size_t size)
{
    sw_file_writer *writer;
    SW_TRY(sw_file_begin(ctx, path, &writer));
    sw_status status = sw_file_add(writer, bytes, size);
    if (status == SW_OK)
        return sw_file_commit(writer);
    sw_file_abort(writer);
    return status;
}

sw_status sw_make_folders(const char *path)
{
    char part[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return sw_fail(SW_INVALID, "a folder's path has %zu bytes, needs 1 to %zu", length, sizeof part - 1);
    memcpy(part, path, length + 1);
    for (char *c = part + 1; c <= part + length; c++) {
        if (*c != '/' && *c != '\0')
            continue;
        char kept = *c;
        *c = '\0';
        struct stat about;
        if (mkdir(part, 0777) != 0) {
            int error = errno;
            if (stat(part, &about) != 0)
                return sw_fail_errno(error, "%s: cannot make the folder", part);
            if (!S_ISDIR(about.st_mode))
                return sw_fail(SW_EXISTS, "%s: is a file, a folder is needed", part);
        }
        *c = kept;
    }
    return SW_OK;
}

bool sw_path_exists(const char *path) { return access(path, F_OK) == 0; }

sw_status sw_path_join(sw_context *ctx, const char *folder, const char *name, char **path)
{
    size_t length = strlen(folder);
    bool slash = length == 0 || folder[length - 1] == '/';
    *path = name[0] == '/' ? sw_strdup(ctx, name) : sw_format(ctx, "%s%s%s", folder, slash ? "" : "/", name);
    return *path ? SW_OK : sw_alloc_status();
}
