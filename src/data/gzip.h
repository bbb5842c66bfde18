/* data/gzip.h: reading gzipped bytes in pieces of the caller's choosing. Uses: base/. */
#ifndef SW_DATA_GZIP_H
#define SW_DATA_GZIP_H

#include "base/alloc.h"

/* True when the bytes begin as a gzip member does. */
bool sw_gzip_is(const uint8_t *bytes, size_t size);

/* The most bytes that `size` packed bytes can unpack to: deflate never does better than 1032 to 1. */
size_t sw_gzip_most(size_t size);

typedef struct sw_gzip sw_gzip;

/* Unpacks the file in memory; `name` is for messages. Both must outlive the reader. */
sw_status sw_gzip_open(sw_context *ctx, const char *name, const uint8_t *bytes, size_t size, sw_gzip **gzip);
/* Fills `out` with the next `count` bytes; *got is less only where the data ends. Several members in one file read
 * as one, as gzip does. SW_CORRUPT when the stream is damaged or breaks off. */
sw_status sw_gzip_read(sw_gzip *gzip, uint8_t *out, size_t count, size_t *got);
void sw_gzip_close(sw_gzip *gzip); /* NULL is allowed */

#endif
