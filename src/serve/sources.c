/* Stores, files and addresses as sources of versions. */
#include "serve/sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "net/fetch.h"

static sw_status open_artifact(sw_context *ctx, const char *path, const sw_model_version *stored, int64_t version,
                               const char *origin, int lanes, sw_servable **servable)
{
    sw_artifact *artifact;
    SW_TRY(sw_artifact_open(ctx, path, &artifact));
    return sw_servable_from(ctx, artifact, stored, version, origin, lanes, servable);
}

/* ---- a store ---- */

typedef struct store_source {
    sw_source source;
    sw_context *ctx;
    sw_store *store;
    sw_model_ref ref;
    char text[320];
    bool asked;
    uint64_t changes; /* the store's counter when `number` was looked up */
    int64_t number;
} store_source;

static sw_status store_wanted(sw_source *self, int64_t *version)
{
    store_source *s = (store_source *)self;
    uint64_t changes;
    SW_TRY(sw_store_changes(s->store, &changes));
    if (!s->asked || changes != s->changes) {
        SW_TRY(sw_model_version_resolve(s->store, s->text, &s->number));
        s->changes = changes;
        s->asked = true;
    }
    *version = s->number;
    return SW_OK;
}

static sw_status store_load(sw_source *self, int64_t number, int lanes, sw_servable **servable)
{
    store_source *s = (store_source *)self;
    char exact[320];
    snprintf(exact, sizeof exact, "%s:%lld", s->ref.model, (long long)number);
    const sw_model_version *stored;
    SW_TRY(sw_model_version_open(s->store, exact, true, &stored));
    const sw_model_file *file = sw_model_version_file(stored, "model.onnx");
    sw_status status = file ? open_artifact(s->ctx, file->path, stored, number, exact, lanes, servable)
                            : sw_fail(SW_NOT_FOUND, "%s has no file 'model.onnx', so there is nothing to serve", exact);
    sw_model_version_free(stored);
    return status == SW_OK ? SW_OK : sw_fail_in(status, "%s", exact);
}

static void store_free(sw_source *self)
{
    store_source *s = (store_source *)self;
    sw_free(s->ctx, s);
}

sw_status sw_source_store(sw_context *ctx, sw_store *store, const char *ref, sw_source **source)
{
    store_source *s = sw_alloc_zero(ctx, sizeof *s);
    if (!s)
        return sw_alloc_status();
    s->source = (sw_source){store_wanted, store_load, store_free};
    s->ctx = ctx;
    s->store = store;
    snprintf(s->text, sizeof s->text, "%s", ref);
    sw_status status = sw_model_ref_parse(ref, &s->ref);
    if (status != SW_OK) {
        sw_free(ctx, s);
        return status;
    }
    *source = &s->source;
    return SW_OK;
}

/* ---- a file ---- */

typedef struct file_source {
    sw_source source;
    sw_context *ctx;
    int64_t number;
    struct stat seen;
    char path[];
} file_source;

static sw_status file_wanted(sw_source *self, int64_t *version)
{
    file_source *s = (file_source *)self;
    struct stat now;
    if (stat(s->path, &now) < 0)
        return sw_fail_errno(errno, "%s", s->path);
    if (s->number == 0 || now.st_ino != s->seen.st_ino || now.st_size != s->seen.st_size ||
        now.st_mtim.tv_sec != s->seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != s->seen.st_mtim.tv_nsec) {
        s->seen = now;
        s->number++;
    }
    *version = s->number;
    return SW_OK;
}

static sw_status file_load(sw_source *self, int64_t version, int lanes, sw_servable **servable)
{
    file_source *s = (file_source *)self;
    return open_artifact(s->ctx, s->path, NULL, version, s->path, lanes, servable);
}

static void file_free(sw_source *self)
{
    file_source *s = (file_source *)self;
    sw_free(s->ctx, s);
}

sw_status sw_source_file(sw_context *ctx, const char *path, sw_source **source)
{
    file_source *s = sw_alloc_zero(ctx, sizeof *s + strlen(path) + 1);
    if (!s)
        return sw_alloc_status();
    s->source = (sw_source){file_wanted, file_load, file_free};
    s->ctx = ctx;
    memcpy(s->path, path, strlen(path) + 1);
    *source = &s->source;
    return SW_OK;
}

/* ---- an address ---- */

typedef struct url_source {
    sw_source source;
    sw_context *ctx;
    char *url;                  /* without its fragment */
    char *path;                 /* of the copy */
    char sha256[SW_SHA256_HEX]; /* "" when none was asked for */
} url_source;

static sw_status url_wanted(sw_source *self, int64_t *version)
{
    (void)self;
    *version = 1;
    return SW_OK;
}

/* True when the copy is there and is what it must be; without a hash, just there. */
static bool have_copy(const url_source *s)
{
    char got[SW_SHA256_HEX];
    return sw_path_exists(s->path) &&
           (!s->sha256[0] || (sw_sha256_file(s->ctx, s->path, got) == SW_OK && strcasecmp(got, s->sha256) == 0));
}

static sw_status url_load(sw_source *self, int64_t version, int lanes, sw_servable **servable)
{
    url_source *s = (url_source *)self;
    char got[SW_SHA256_HEX];
    if (!s->sha256[0] || !have_copy(s)) {
        sw_status status = sw_fetch_file(s->ctx, s->url, s->path, s->sha256[0] ? s->sha256 : NULL, got, NULL);
        if (status != SW_OK && (status == SW_CORRUPT || s->sha256[0] || !have_copy(s)))
            return status;
        if (status != SW_OK)
            sw_log_warn(s->ctx, "%s; the copy of an earlier day serves", sw_error_text());
    }
    return open_artifact(s->ctx, s->path, NULL, version, s->url, lanes, servable);
}

static void url_free(sw_source *self)
{
    url_source *s = (url_source *)self;
    sw_free(s->ctx, s->url);
    sw_free(s->ctx, s->path);
    sw_free(s->ctx, s);
}

/* The hash behind '#', checked. */
static sw_status read_fragment(url_source *s, const char *url)
{
    char *mark = strchr(s->url, '#');
    if (!mark)
        return SW_OK;
    *mark = 0;
    const char *hex = mark + 1 + 7;
    if (strncmp(mark + 1, "sha256=", 7) != 0 || strlen(hex) != 64 || strspn(hex, "0123456789abcdefABCDEF") != 64)
        return sw_fail(SW_INVALID, "%s: behind '#' stands sha256= and 64 hexadecimal digits, or nothing", url);
    memcpy(s->sha256, hex, SW_SHA256_HEX);
    return SW_OK;
}

sw_status sw_source_url(sw_context *ctx, const char *url, const char *cache, sw_source **source)
{
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return sw_fail(SW_UNSUPPORTED, "%s: models are fetched by https and http", url);
    url_source *s = sw_alloc_zero(ctx, sizeof *s);
    if (!s)
        return sw_alloc_status();
    s->source = (sw_source){url_wanted, url_load, url_free};
    s->ctx = ctx;
    s->url = sw_strdup(ctx, url);
    sw_status status = s->url ? read_fragment(s, url) : sw_alloc_status();
    char name[SW_SHA256_HEX];
    if (status == SW_OK)
        status = sw_sha256_hex(s->url, strlen(s->url), name);
    if (status == SW_OK)
        status = sw_make_folders(cache);
    if (status == SW_OK && !(s->path = sw_format(ctx, "%s/%s.onnx", cache, name)))
        status = sw_alloc_status();
    if (status != SW_OK) {
        url_free(&s->source);
        return status;
    }
    *source = &s->source;
    return SW_OK;
}

/* ---- by looks ---- */

static bool is_path(const char *target)
{
    size_t size = strlen(target);
    return strchr(target, '/') || (size > 5 && strcmp(target + size - 5, ".onnx") == 0);
}

bool sw_target_is_stored(const char *target) { return !strstr(target, "://") && !is_path(target); }

sw_status sw_source_of(sw_context *ctx, const char *target, sw_store *store, const char *cache, sw_source **source)
{
    if (strstr(target, "://"))
        return sw_source_url(ctx, target, cache, source);
    if (is_path(target))
        return sw_source_file(ctx, target, source);
    if (!store)
        return sw_fail(SW_INVALID, "'%s' is a name in a store, and there is none", target);
    return sw_source_store(ctx, store, target, source);
}

sw_status sw_target_name(const char *target, char name[129])
{
    sw_model_ref ref;
    if (sw_target_is_stored(target)) {
        SW_TRY(sw_model_ref_parse(target, &ref));
        memcpy(name, ref.model, sizeof ref.model);
        return SW_OK;
    }
    size_t end = strcspn(target, "#?"), first = end, size = 0;
    while (first > 0 && target[first - 1] != '/')
        first--;
    if (end - first > 5 && memcmp(target + end - 5, ".onnx", 5) == 0)
        end -= 5;
    for (size_t i = first; i < end && size < 128; i++) {
        char c = target[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
        name[size++] = plain ? c : '_';
    }
    name[size] = 0;
    return size > 0 ? SW_OK : sw_fail(SW_INVALID, "'%s' has no name; give it one: NAME=%s", target, target);
}
