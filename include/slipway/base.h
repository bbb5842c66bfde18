/* slipway/base.h: statuses with texts, the context, cancellation.
 *
 * A context owns what would otherwise be global: the allocator and its byte budget, the log sink, and the
 * registries of ops and backends. Everything else in Slipway is made in a context and must be released
 * before it. A context may be used by many threads at once.
 *
 * Nothing in the library aborts, exits, prints, installs a signal handler or reads the environment. */
#ifndef SLIPWAY_BASE_H
#define SLIPWAY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SW_API __attribute__((visibility("default")))
#define SW_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* What became of a call. SW_OK is 0; every other value comes with a text in sw_error_text(). */
typedef enum sw_status {
    SW_OK = 0,
    SW_INVALID,     /* an argument, a recipe or a command says what cannot be */
    SW_SHAPE,       /* dims or types do not agree */
    SW_UNSUPPORTED, /* well-formed, but not something Slipway does */
    SW_NOT_FOUND,   /* no such file, model, version, run, op, key */
    SW_EXISTS,      /* it is there already */
    SW_NO_MEMORY,   /* the system refused memory */
    SW_BUDGET,      /* the context's byte budget would be exceeded; nothing was begun */
    SW_IO,          /* reading, writing or the network failed */
    SW_CORRUPT,     /* stored bytes are not what they must be */
    SW_BUSY,        /* taken by somebody else, or a bounded queue is full: later may do */
    SW_IDENTITY,    /* made under another identity (processor, libraries, team size); bits would differ */
    SW_CANCELLED,   /* the caller asked to stop */
    SW_DEADLINE,    /* the time given was over */
    SW_INTERNAL,    /* a fault of Slipway */
    SW_STATUS_COUNT
} sw_status;

/* "ok", "invalid", "shape", …; "unknown" for a value outside the enum. Static text. */
SW_API const char *sw_status_name(sw_status status);

/* The text of this thread's last failure: one line, no newline at its end, valid until the next failure on
 * this thread. "" when nothing has failed. */
SW_API const char *sw_error_text(void);

/* Forgets this thread's text. */
SW_API void sw_error_clear(void);

typedef struct sw_context sw_context;

typedef enum sw_log_level { SW_LOG_ERROR, SW_LOG_WARN, SW_LOG_INFO, SW_LOG_DEBUG } sw_log_level;

/* Allocation hooks. `allocate` returns `bytes` bytes aligned to `alignment` (a power of two, >= 16) or NULL;
 * `release` takes what `allocate` gave. Both are called from any thread. */
typedef struct sw_allocator {
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
} sw_allocator;

typedef struct sw_context_options {
    size_t size;                   /* sizeof(sw_context_options) */
    const sw_allocator *allocator; /* NULL: the C library's */
    uint64_t budget_bytes;         /* most bytes that may be held at once; 0: no limit */
    int threads;                   /* CPUs that this context may use; 0: what affinity and cgroup allow */
    const char *backend;           /* "cpu" or "ref"; NULL: "cpu" */
    const char *trace;             /* comma-separated topics, as SLIPWAY_TRACE: "kernels"; NULL: none */
    void (*log)(void *user, sw_log_level level, const char *line); /* NULL: silent */
    void *log_user;
} sw_context_options;

/* A context with every op, backend and format of this build. `options` may be NULL. NULL on failure (see
 * sw_error_text). Released with sw_context_free, after everything made in it. */
SW_API sw_context *sw_context_new(const sw_context_options *options);
SW_API void sw_context_free(sw_context *ctx);

/* Bytes held now through this context's allocator, and the most ever held. */
SW_API uint64_t sw_context_bytes(const sw_context *ctx);
SW_API uint64_t sw_context_peak_bytes(const sw_context *ctx);

/* A token that stops work: looked at between steps, safe to set from any thread and from a signal handler. */
typedef struct sw_cancel sw_cancel;
SW_API sw_cancel *sw_cancel_new(sw_context *ctx);
SW_API void sw_cancel_free(sw_cancel *cancel);
SW_API void sw_cancel_request(sw_cancel *cancel);
/* Work is stopped with SW_DEADLINE once CLOCK_MONOTONIC passes `nanoseconds`; 0 takes the deadline away. */
SW_API void sw_cancel_set_deadline(sw_cancel *cancel, uint64_t nanoseconds);
/* SW_OK, SW_CANCELLED or SW_DEADLINE; a NULL token is never cancelled. Leaves no error text. */
SW_API sw_status sw_cancel_check(const sw_cancel *cancel);

/* "0.1.0" */
SW_API const char *sw_version(void);

/* The version and the commit that this was built from, "0.1.0+1c252ccd5a21" ("-dirty" behind it when files differed,
 * "unknown" when built outside of git): what a run's row calls its code. */
SW_API const char *sw_code_version(void);

#ifdef __cplusplus
}
#endif
#endif
