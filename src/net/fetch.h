/* net/fetch.h: asking other servers, by libcurl. Only fetch.c knows it.
 *
 * Blocking calls for threads that may wait: fetching a model, asking a server from the command line. http and https
 * only, redirects to these two only. The error text names the address without what stands before '@' in it.
 * Uses: base/. */
#ifndef SW_NET_FETCH_H
#define SW_NET_FETCH_H

#include "base/hash.h"
#include "base/text.h"

typedef struct sw_fetch_options {
    uint64_t limit;          /* most bytes of an answer; 0: 1 GiB for texts, 64 GiB for files */
    int connect_ms;          /* 0: 10,000 */
    int total_ms;            /* 0: no limit, but less than 1 KB/s for 30 s is given up */
    int tries;               /* on refused connections, time-outs, 429 and 5xx; 0: 1 for calls, 4 for files */
    const char *authorities; /* PEM file of certificate authorities; NULL: the system's */
    sw_cancel *cancel;
} sw_fetch_options;

/* Fetches `url` into the file `path`, atomically. `sha256` (64 hex digits) or NULL: what the bytes must be, SW_CORRUPT
 * when they are not; `got` gets what they are. `options` may be NULL. */
sw_status sw_fetch_file(sw_context *ctx, const char *url, const char *path, const char *sha256, char got[SW_SHA256_HEX],
                        const sw_fetch_options *options);

/* One request. `headers`: lines without their ends, NULL-terminated, or NULL. The answer's body is appended to
 * `answer`, whatever its status, which is put into *status. A body makes it a POST; `body` NULL a GET. */
sw_status sw_fetch_call(sw_context *ctx, const char *url, const char *const *headers, const void *body, size_t size,
                        int *status, sw_text *answer, const sw_fetch_options *options);

#endif
