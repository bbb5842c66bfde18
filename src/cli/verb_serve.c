/* verb_serve.c: models behind an HTTP address, until a signal says it is over.
 *
 * The first SIGTERM drains: not ready at once, still answering for the grace period, then what is in flight is
 * finished; SIGINT, which people send, skips the grace. A second one ends the process. The signals are blocked before
 * any thread begins and read by the loop as events. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/context.h"
#include "cli/verbs.h"
#include "serve/serving.h"
#include "serve/sources.h"

enum { READY_LOOK_MS = 10 };

typedef struct session {
    cli *c;
    sw_loop *loop;
    sw_serving *serving;
    sw_tls *tls;
    sw_watch signals;
    sw_timer ready_look;
    bool draining;
} session;

/* ---- models ---- */

/* [NAME=]TARGET */
static sw_status add_model(session *s, const char *argument)
{
    cli *c = s->c;
    char name[129];
    const char *target = argument, *equals = strchr(argument, '=');
    if (equals && equals > argument && equals - argument < (ptrdiff_t)sizeof name &&
        strcspn(argument, "/:@#?") > (size_t)(equals - argument)) {
        snprintf(name, sizeof name, "%.*s", (int)(equals - argument), argument);
        target = equals + 1;
    } else {
        SW_TRY(sw_target_name(target, name));
    }
    sw_store *store = NULL;
    if (sw_target_is_stored(target))
        SW_TRY(cli_store(c, true, &store));
    sw_source *source;
    SW_TRY(sw_source_of(cli_context(c), target, store, cli_text(c, "cache"), &source));
    /* What is not there shall be said now, on the terminal, and not by a server that never gets ready. */
    int64_t version;
    sw_status status = source->wanted(source, &version);
    if (status != SW_OK) {
        source->free(source);
        return status;
    }
    return sw_serving_add(s->serving, name, source);
}

/* ---- signals ---- */

static void on_signal(sw_watch *watch, uint32_t events)
{
    (void)events;
    session *s = (session *)((char *)watch - offsetof(session, signals));
    struct signalfd_siginfo info;
    if (read(watch->fd, &info, sizeof info) != sizeof info)
        return;
    if (s->draining) {
        cli_note(s->c, "ending now");
        _exit(1);
    }
    s->draining = true;
    bool person = info.ssi_signo == SIGINT;
    int64_t grace = person ? 0 : cli_int(s->c, "grace");
    cli_note(s->c, "draining%s",
             grace > 0 ? cli_format(s->c, ": not ready, answering for %lld s more", (long long)grace) : "");
    sw_serving_drain(s->serving, (int)grace * 1000);
}

static sw_status watch_signals(session *s, const sigset_t *set)
{
    s->signals = (sw_watch){signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC), on_signal};
    if (s->signals.fd < 0)
        return sw_fail(SW_IO, "cannot watch signals");
    return sw_loop_watch(s->loop, &s->signals, EPOLLIN);
}

static void look_whether_ready(sw_timer *timer)
{
    session *s = (session *)((char *)timer - offsetof(session, ready_look));
    if (s->draining)
        return;
    if (sw_serving_ready(s->serving))
        cli_note(s->c, "ready");
    else
        sw_loop_timer_set(s->loop, timer, sw_loop_now(s->loop) + READY_LOOK_MS * 1000000ull);
}

/* ---- the verb ---- */

static sw_status read_options(session *s, sw_serving_options *o)
{
    cli *c = s->c;
    *o = SW_SERVING_DEFAULTS;
    o->lanes = (int)cli_int(c, "lanes");
    if (o->lanes == 0)
        o->lanes = sw_context_threads(cli_context(c));
    o->max_queue = (int)cli_int(c, "max-queue");
    o->timeout_ms = (int)(cli_number(c, "timeout") * 1000);
    o->server.limits.body_bytes = (size_t)cli_int(c, "max-body") << 20;
    o->server.connections = (int)cli_int(c, "max-connections");
    const char *certificate = cli_text(c, "tls-cert"), *key = cli_text(c, "tls-key");
    if (!certificate && !key)
        return SW_OK;
    if (!certificate || !key)
        return sw_fail(SW_INVALID, "TLS takes both --tls-cert and --tls-key");
    s->tls = o->server.tls = sw_tls_new(cli_context(c), certificate, key);
    return s->tls ? SW_OK : SW_INVALID;
}

static sw_status start(session *s, const sigset_t *signals)
{
    cli *c = s->c;
    sw_serving_options options;
    char bound[SW_ADDRESS_MAX];
    if (!cli_context(c))
        return SW_NO_MEMORY;
    SW_TRY(read_options(s, &options));
    s->loop = sw_loop_new(cli_context(c));
    s->serving = s->loop ? sw_serving_new(s->loop, &options) : NULL;
    if (!s->serving)
        return SW_INVALID;
    for (int i = 0; i < cli_arg_count(c); i++)
        SW_TRY(add_model(s, cli_arg(c, i)));
    SW_TRY(watch_signals(s, signals));
    SW_TRY(sw_loop_timer_add(s->loop, &s->ready_look, look_whether_ready));
    SW_TRY(sw_serving_start(s->serving, cli_text(c, "listen"), bound));
    printf("listening on %s://%s\n", s->tls ? "https" : "http", bound);
    fflush(stdout);
    sw_loop_timer_set(s->loop, &s->ready_look, 0);
    return SW_OK;
}

static int run(cli *c)
{
    session s = {.c = c, .signals = {.fd = -1}};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    sw_status status = start(&s, &signals);
    if (status == SW_OK)
        status = sw_loop_run(s.loop);
    if (status == SW_OK)
        status = sw_serving_outcome(s.serving);
    int code = status == SW_OK ? 0 : cli_fail(c, status);
    sw_serving_free(s.serving);
    sw_loop_free(s.loop);
    sw_tls_free(s.tls);
    if (s.signals.fd >= 0)
        close(s.signals.fd);
    return code;
}

static const cli_option options[] = {
    {.name = "listen",
     .type = CLI_TEXT,
     .argument = "ADDRESS",
     .standard = "127.0.0.1:8000",
     .help = "host:port; port 0 takes a free one, :8000 every interface"},
    {.name = "lanes",
     .type = CLI_INT,
     .argument = "N",
     .standard = "0",
     .low = 0,
     .high = 256,
     .help = "threads that run models; 0: one per CPU"},
    {.name = "max-queue",
     .type = CLI_INT,
     .argument = "N",
     .standard = "256",
     .low = 1,
     .high = 1000000,
     .help = "requests that may wait per model; more are answered 429"},
    {.name = "timeout",
     .type = CLI_NUMBER,
     .argument = "SECONDS",
     .standard = "60",
     .low = 0,
     .high = 86400,
     .help = "for requests that ask for no less (X-Request-Timeout-Ms); 0: none"},
    {.name = "grace",
     .type = CLI_INT,
     .argument = "SECONDS",
     .standard = "5",
     .low = 0,
     .high = 3600,
     .help = "after SIGTERM, how long to answer on before closing"},
    {.name = "max-body",
     .type = CLI_INT,
     .argument = "MIB",
     .standard = "64",
     .low = 1,
     .high = 4096,
     .help = "largest request body"},
    {.name = "max-connections",
     .type = CLI_INT,
     .argument = "N",
     .standard = "4096",
     .low = 1,
     .high = 1000000,
     .help = "most connections at once; more are answered 503"},
    {.name = "tls-cert", .type = CLI_TEXT, .argument = "FILE", .help = "certificate chain (PEM): serves https"},
    {.name = "tls-key", .type = CLI_TEXT, .argument = "FILE", .help = "its key (PEM)"},
    {.name = "cache",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .computed = cli_model_cache,
     .help = "where fetched models are kept (default: slipway in the user's cache folder)"},
    {0},
};

const cli_verb cli_verb_serve = {
    .name = "serve",
    .arguments = "[NAME=]MODEL…",
    .help = "answer questions to models over HTTP",
    .details =
        "MODEL is a name in the store (fashion, fashion:3, fashion@production; aliases and newest versions are "
        "followed as they move), a file, or an address (https://host/model.onnx#sha256=HEX), which is fetched, checked "
        "and kept. It is served under its own name, or under NAME.\n\n"
        "It speaks the Open Inference Protocol v2 (JSON) under /v2, takes pictures at /v1/predict/NAME, has its "
        "metrics at "
        "/metrics and its probes at /v2/health/live and /v2/health/ready.\n\n"
        "SIGTERM: not ready at once, answering for the grace period, then what is in flight is finished. SIGINT: the "
        "same without grace. A second one ends at once.",
    .example = "slipway serve fashion@production --listen :8000",
    .least = 1,
    .most = -1,
    .options = options,
    .run = run,
};
