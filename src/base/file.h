/* base/file.h: files as they are met in production: mapped for reading, written so that a crash or a full
 * disk never leaves half of one under its name. Messages name the path. Uses: alloc.h. */
#ifndef SW_BASE_FILE_H
#define SW_BASE_FILE_H

#include "base/alloc.h"

/* A read-only mapping of a whole file. An empty file maps to data == "" and size 0. */
typedef struct sw_map_file {
    const uint8_t *data;
    size_t size;
} sw_map_file;

sw_status sw_file_map(sw_map_file *map, const char *path);
void sw_file_unmap(sw_map_file *map); /* a zeroed map is allowed */

/* The whole file in fresh memory with a NUL behind it; SW_INVALID when larger than `limit` bytes. */
sw_status sw_file_read(sw_context *ctx, const char *path, size_t limit, char **text, size_t *size);

/* Atomic replacement: written to a temporary beside it, flushed to disk, renamed, directory flushed. On failure
 * `path` is as it was and the temporary is gone. */
sw_status sw_file_write(sw_context *ctx, const char *path, const void *bytes, size_t size);

/* The same in pieces. Exactly one of commit and abort must follow a successful begin. */
typedef struct sw_file_writer sw_file_writer;
sw_status sw_file_begin(sw_context *ctx, const char *path, sw_file_writer **writer);
sw_status sw_file_add(sw_file_writer *writer, const void *bytes, size_t size);
sw_status sw_file_commit(sw_file_writer *writer);
void sw_file_abort(sw_file_writer *writer);

sw_status sw_make_folders(const char *path); /* mkdir -p, mode 0777 & ~umask */
bool sw_path_exists(const char *path);
sw_status sw_path_join(sw_context *ctx, const char *folder, const char *name, char **path); /* fresh memory */

#endif
