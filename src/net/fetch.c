/* Asking other servers.
 *
 * One easy handle per call; bytes go where they belong as they come (a file being written, with its hash on the way;
 * a text). Waiting is looked at for cancellation ten times a second by libcurl's progress callback. A failure that may
 * pass is tried again after 0.5, 1, 2 seconds; one that will not (404, a wrong certificate, a wrong hash) is not. */
#include "net/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/file.h"

typedef struct call {
    sw_context *ctx;
    CURL *curl;
    const sw_fetch_options *options;
    uint64_t limit, taken;
    sw_status status; /* of our own side: disk, memory, limit */
    long http;
    char reason[CURL_ERROR_SIZE];
    sw_text *text;
    sw_file_writer *file;
    sw_sha256 *hash;
} call;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void start_library(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static size_t take(char *bytes, size_t one, size_t size, void *user)
{
    (void)one;
    call *c = user;
    /* The text of a refusal is not the file that was asked for. */
    long http = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
    if (c->file && http != 200)
        return size;
    c->taken += size;
    if (c->taken > c->limit)
        c->status = sw_fail(SW_INVALID, "the answer is larger than %llu bytes", (unsigned long long)c->limit);
    else if (c->file) {
        c->status = sw_file_add(c->file, bytes, size);
        if (c->status == SW_OK)
            c->status = sw_sha256_add(c->hash, bytes, size);
    } else {
        sw_text_addn(c->text, bytes, size);
        c->status = c->text->status;
    }
    return c->status == SW_OK ? size : 0;
}

static int look(void *user, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
    (void)a, (void)b, (void)d, (void)e;
    const call *c = user;
    return sw_cancel_check(c->options->cancel) != SW_OK;
}

/* The address for messages: a name and a password in it are nobody's business. */
static const char *public_url(const char *url, char text[300])
{
    const char *host = strstr(url, "://");
    const char *at = host ? strchr(host, '@') : NULL, *slash = host ? strchr(host + 3, '/') : NULL;
    if (at && (!slash || at < slash))
        snprintf(text, 300, "%.*s://%s", (int)(host - url), url, at + 1);
    else
        snprintf(text, 300, "%s", url);
    return text;
}

static bool may_pass(CURLcode code, long http)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_OPERATION_TIMEDOUT ||
           code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_PARTIAL_FILE || (code == CURLE_OK && (http == 429 || http >= 500));
}

static void set_up(call *c, const char *url)
{
    const sw_fetch_options *o = c->options;
    CURL *h = c->curl;
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, c->file ? 1L : 0L);
    curl_easy_setopt(h, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_ms ? o->connect_ms : 10000));
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)o->total_ms);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, o->total_ms ? 0L : 30L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->reason);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, look);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "slipway/" SW_VERSION);
    if (o->authorities)
        curl_easy_setopt(h, CURLOPT_CAINFO, o->authorities);
}

/* Whether a further try makes sense; waits before it. */
static bool again(const call *c, CURLcode code, int turn, int tries)
{
    if (turn + 1 >= tries || c->status != SW_OK || !may_pass(code, c->http))
        return false;
    for (int waited = 0; waited < 500 << turn; waited += 50) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        if (sw_cancel_check(c->options->cancel) != SW_OK)
            return false;
    }
    return true;
}

static sw_status outcome(const call *c, CURLcode code, const char *url)
{
    char text[300];
    public_url(url, text);
    if (sw_cancel_check(c->options->cancel) != SW_OK)
        return sw_fail(sw_cancel_check(c->options->cancel), "%s: stopped", text);
    if (c->status != SW_OK)
        return sw_fail_in(c->status, "%s", text);
    if (code != CURLE_OK)
        return sw_fail(code == CURLE_OPERATION_TIMEDOUT ? SW_DEADLINE : SW_IO, "%s: %s", text,
                       c->reason[0] ? c->reason : curl_easy_strerror(code));
    return SW_OK;
}

/* ---- into a file ---- */

static sw_status fetch_once(call *c, const char *url, const char *path, const char *sha256, char got[SW_SHA256_HEX],
                            CURLcode *code)
{
    c->taken = 0;
    c->status = SW_OK;
    SW_TRY(sw_file_begin(c->ctx, path, &c->file));
    set_up(c, url);
    *code = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->http);
    sw_status status = outcome(c, *code, url), hashed = sw_sha256_end(c->hash, got);
    char text[300];
    if (status == SW_OK && c->http != 200)
        status = sw_fail(c->http == 404 ? SW_NOT_FOUND : SW_IO, "%s: the server answered %ld", public_url(url, text),
                         c->http);
    if (status == SW_OK)
        status = hashed;
    if (status == SW_OK && sha256 && strcasecmp(sha256, got) != 0)
        status = sw_fail(SW_CORRUPT, "%s: its SHA-256 is %s, it must be %s", public_url(url, text), got, sha256);
    if (status == SW_OK)
        return sw_file_commit(c->file);
    sw_error error = sw_error_take(status);
    sw_file_abort(c->file);
    return sw_error_raise(&error);
}

sw_status sw_fetch_file(sw_context *ctx, const char *url, const char *path, const char *sha256, char got[SW_SHA256_HEX],
                        const sw_fetch_options *options)
{
    static const sw_fetch_options standard;
    pthread_once(&once, start_library);
    call c = {.ctx = ctx, .options = options ? options : &standard};
    c.limit = c.options->limit ? c.options->limit : 64ull << 30;
    c.hash = sw_sha256_new(ctx);
    c.curl = c.hash ? curl_easy_init() : NULL;
    sw_status status = c.curl ? SW_OK : c.hash ? sw_fail(SW_NO_MEMORY, "no memory to fetch with") : sw_alloc_status();
    CURLcode code = CURLE_OK;
    for (int turn = 0, tries = c.options->tries ? c.options->tries : 4; c.curl; turn++) {
        status = fetch_once(&c, url, path, sha256, got, &code);
        if (status == SW_OK || status == SW_CORRUPT || !again(&c, code, turn, tries))
            break;
    }
    curl_easy_cleanup(c.curl);
    sw_sha256_free(c.hash);
    return status;
}

/* ---- one request ---- */

static struct curl_slist *make_headers(const char *const *headers, bool *ok)
{
    /* Without this libcurl waits a second for "100 Continue" before larger bodies. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    *ok = list != NULL;
    for (; *ok && headers && *headers; headers++) {
        struct curl_slist *longer = curl_slist_append(list, *headers);
        *ok = longer != NULL;
        list = longer ? longer : list;
    }
    return list;
}

sw_status sw_fetch_call(sw_context *ctx, const char *url, const char *const *headers, const void *body, size_t size,
                        int *status, sw_text *answer, const sw_fetch_options *options)
{
    static const sw_fetch_options standard;
    pthread_once(&once, start_library);
    call c = {.ctx = ctx, .options = options ? options : &standard, .text = answer};
    c.limit = c.options->limit ? c.options->limit : 1ull << 30;
    bool ok;
    struct curl_slist *list = make_headers(headers, &ok);
    c.curl = ok ? curl_easy_init() : NULL;
    if (!c.curl) {
        curl_slist_free_all(list);
        return sw_fail(SW_NO_MEMORY, "no memory to call with");
    }
    size_t before = answer->size;
    sw_status result;
    for (int turn = 0, tries = c.options->tries ? c.options->tries : 1;; turn++) {
        answer->size = before;
        c.taken = 0;
        set_up(&c, url);
        curl_easy_setopt(c.curl, CURLOPT_HTTPHEADER, list);
        if (body) {
            curl_easy_setopt(c.curl, CURLOPT_POSTFIELDS, body);
            curl_easy_setopt(c.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        }
        CURLcode code = curl_easy_perform(c.curl);
        curl_easy_getinfo(c.curl, CURLINFO_RESPONSE_CODE, &c.http);
        result = outcome(&c, code, url);
        if (!again(&c, code, turn, tries))
            break;
    }
    *status = (int)c.http;
    curl_easy_cleanup(c.curl);
    curl_slist_free_all(list);
    return result;
}
