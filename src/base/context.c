/* context.c: making and unmaking the object that owns what would otherwise be global.
 *
 * The context's own block comes straight from the allocator hooks and is not counted: sw_context_bytes() is 0
 * when everything made in a context has been released, which is what tests ask. */
#include "base/context.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/inside.h"

/* Large blocks come from the system and go back to it at once: the C library would keep freed ones of up to 32 MiB, and
 * a server that unloads a model, or swaps weights for their packed form, would not shrink. */
enum { LARGE = 4 << 20 };

static void *libc_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    void *memory = NULL;
    if (bytes >= LARGE) { /* page-aligned, which is the most that is asked for */
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
    }
    if (alignment <= _Alignof(max_align_t))
        return malloc(bytes);
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

static void libc_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    if (bytes >= LARGE)
        munmap(memory, bytes);
    else
        free(memory);
}

/* Options of an older or newer caller: what it has is taken, what it lacks is 0. */
static sw_status read_options(const sw_context_options *from, sw_context_options *options)
{
    *options = (sw_context_options){.size = sizeof *options};
    if (!from)
        return SW_OK;
    if (from->size < sizeof from->size)
        return sw_fail(SW_INVALID, "sw_context_options: size is %zu; set it to sizeof(sw_context_options)", from->size);
    memcpy(options, from, from->size < sizeof *options ? from->size : sizeof *options);
    if (options->threads < 0)
        return sw_fail(SW_INVALID, "sw_context_options: threads is %d, needs 0 or more", options->threads);
    if (options->backend && strcmp(options->backend, "cpu") != 0 && strcmp(options->backend, "ref") != 0)
        return sw_fail(SW_INVALID, "sw_context_options: unknown backend '%s' (known: cpu, ref)", options->backend);
    return SW_OK;
}

sw_context *sw_context_create(const sw_context_options *from)
{
    sw_context_options options;
    if (read_options(from, &options) != SW_OK)
        return NULL;
    sw_allocator allocator = {libc_allocate, libc_release, NULL};
    if (options.allocator)
        allocator = *options.allocator;
    sw_context *ctx = allocator.allocate(allocator.user, sizeof *ctx, _Alignof(max_align_t));
    if (!ctx) {
        sw_fail(SW_NO_MEMORY, "no memory for a context");
        return NULL;
    }
    memset(ctx, 0, sizeof *ctx);
    ctx->allocator = allocator;
    ctx->budget = options.budget_bytes;
    ctx->threads = options.threads ? options.threads : sw_cpu_count();
    ctx->log = options.log;
    ctx->log_user = options.log_user;
    pthread_mutex_init(&ctx->log_lock, NULL);
    pthread_mutex_init(&ctx->attach_lock, NULL);
    ctx->backend = sw_strdup(ctx, options.backend ? options.backend : "cpu");
    ctx->trace = ctx->backend ? sw_strdup(ctx, options.trace ? options.trace : "") : NULL;
    if (!ctx->trace) {
        sw_context_free(ctx);
        return NULL;
    }
    /* What the context itself holds is not the user's business: counting starts here. */
    sw_alloc_unbook(ctx, sw_context_bytes(ctx));
    atomic_store(&ctx->peak, 0);
    atomic_store(&ctx->calls, 0);
    return ctx;
}

static void release_text(sw_context *ctx, char *text)
{
    if (text)
        atomic_fetch_add(&ctx->bytes, 16 + strlen(text) + 1);
    sw_free(ctx, text);
}

void sw_context_free(sw_context *ctx)
{
    if (!ctx)
        return;
    for (struct attachment *at = atomic_load(&ctx->attachments); at;) {
        struct attachment *next = at->next;
        if (at->release)
            at->release(ctx, at->value);
        atomic_store(&ctx->attachments, next);
        sw_free(ctx, at);
        at = next;
    }
    release_text(ctx, ctx->trace);
    release_text(ctx, ctx->backend);
    pthread_mutex_destroy(&ctx->log_lock);
    pthread_mutex_destroy(&ctx->attach_lock);
    sw_allocator allocator = ctx->allocator;
    allocator.release(allocator.user, ctx, sizeof *ctx);
}

sw_status sw_context_attach(sw_context *ctx, const void *key, void *value,
                            void (*release)(sw_context *ctx, void *value))
{
    struct attachment *new = sw_alloc(ctx, sizeof *new);
    if (!new)
        return sw_alloc_status();
    pthread_mutex_lock(&ctx->attach_lock);
    if (sw_context_attached(ctx, key)) {
        pthread_mutex_unlock(&ctx->attach_lock);
        sw_free(ctx, new);
        return sw_fail(SW_EXISTS, "something is attached to the context under this key already");
    }
    *new = (struct attachment){key, value, release, atomic_load(&ctx->attachments)};
    atomic_store_explicit(&ctx->attachments, new, memory_order_release);
    pthread_mutex_unlock(&ctx->attach_lock);
    return SW_OK;
}

void *sw_context_attached(const sw_context *ctx, const void *key)
{
    struct attachment *at = atomic_load_explicit(&((sw_context *)ctx)->attachments, memory_order_acquire);
    while (at && at->key != key)
        at = at->next;
    return at ? at->value : NULL;
}

int sw_context_threads(const sw_context *ctx) { return ctx->threads; }

const char *sw_context_backend(const sw_context *ctx) { return ctx->backend; }

bool sw_context_traces(const sw_context *ctx, const char *topic)
{
    size_t length = strlen(topic);
    for (const char *at = ctx->trace; *at;) {
        size_t word = strcspn(at, ",");
        if (word == length && memcmp(at, topic, length) == 0)
            return true;
        at += word + (at[word] == ',');
    }
    return false;
}
