/* hash.c: SHA-256 by OpenSSL's EVP, FNV-1a by hand. CRC-32 stands in inflate.c, with zlib. */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/alloc.h"

struct sw_sha256 {
    sw_context *ctx;
    EVP_MD_CTX *evp;
};

static sw_status begin(EVP_MD_CTX *evp)
{
    return EVP_DigestInit_ex(evp, EVP_sha256(), NULL) == 1 ? SW_OK
                                                           : sw_fail(SW_INTERNAL, "SHA-256: OpenSSL refuses to begin");
}

static sw_status add(EVP_MD_CTX *evp, const void *bytes, size_t count)
{
    if (count == 0)
        return SW_OK;
    return EVP_DigestUpdate(evp, bytes, count) == 1 ? SW_OK : sw_fail(SW_INTERNAL, "SHA-256: OpenSSL refuses bytes");
}

static sw_status end(EVP_MD_CTX *evp, char hex[SW_SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestFinal_ex(evp, digest, &size) != 1 || size != 32)
        return sw_fail(SW_INTERNAL, "SHA-256: OpenSSL refuses to end");
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
    return SW_OK;
}

sw_sha256 *sw_sha256_new(sw_context *ctx)
{
    sw_sha256 *hash = sw_alloc_zero(ctx, sizeof *hash);
    if (!hash)
        return NULL;
    hash->ctx = ctx;
    hash->evp = EVP_MD_CTX_new();
    if (!hash->evp || begin(hash->evp) != SW_OK) {
        sw_fail(SW_NO_MEMORY, "no memory for a SHA-256");
        sw_sha256_free(hash);
        return NULL;
    }
    return hash;
}

sw_status sw_sha256_add(sw_sha256 *hash, const void *bytes, size_t count) { return add(hash->evp, bytes, count); }

sw_status sw_sha256_end(sw_sha256 *hash, char hex[SW_SHA256_HEX])
{
    SW_TRY(end(hash->evp, hex));
    return begin(hash->evp);
}

void sw_sha256_free(sw_sha256 *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->evp);
    sw_free(hash->ctx, hash);
}

sw_status sw_sha256_hex(const void *bytes, size_t count, char hex[SW_SHA256_HEX])
{
    EVP_MD_CTX *evp = EVP_MD_CTX_new();
    if (!evp)
        return sw_fail(SW_NO_MEMORY, "no memory for a SHA-256");
    sw_status status = begin(evp);
    if (status == SW_OK)
        status = add(evp, bytes, count);
    if (status == SW_OK)
        status = end(evp, hex);
    EVP_MD_CTX_free(evp);
    return status;
}

/* Read, not mapped: a file that shrinks meanwhile is then a short read and not a SIGBUS. */
static sw_status add_file(sw_sha256 *hash, int fd, const char *path, void *buffer, size_t size)
{
    for (;;) {
        ssize_t got = read(fd, buffer, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sw_fail_errno(errno, "%s: cannot read", path);
        if (got == 0)
            return SW_OK;
        SW_TRY(sw_sha256_add(hash, buffer, (size_t)got));
    }
}

sw_status sw_sha256_file(sw_context *ctx, const char *path, char hex[SW_SHA256_HEX])
{
    const size_t size = 1 << 16;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sw_fail_errno(errno, "%s: cannot open", path);
    void *buffer = sw_alloc(ctx, size);
    sw_sha256 *hash = buffer ? sw_sha256_new(ctx) : NULL;
    sw_status status = hash ? add_file(hash, fd, path, buffer, size) : SW_NO_MEMORY;
    if (status == SW_OK)
        status = sw_sha256_end(hash, hex);
    sw_sha256_free(hash);
    sw_free(ctx, buffer);
    close(fd);
    return status;
}

uint64_t sw_fnv1a_more(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

uint64_t sw_fnv1a(const void *bytes, size_t count) { return sw_fnv1a_more(0xcbf29ce484222325u, bytes, count); }
