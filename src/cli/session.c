/* session.c: what an invocation works with: context, store, cancellation; and their end. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/inside.h"

struct sw_arena *cli_arena(cli *c) { return c->arena; }

static void log_line(void *user, sw_log_level level, const char *line)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    const cli *c = user;
    sw_log_level most = cli_flag(c, "verbose") ? SW_LOG_DEBUG : cli_text(c, "topics") ? SW_LOG_INFO : SW_LOG_WARN;
    if (cli_flag(c, "quiet"))
        most = SW_LOG_ERROR;
    if (level <= most)
        fprintf(stderr, "slipway: %s: %s\n", words[level], line);
}

sw_context *cli_context(cli *c)
{
    if (!c->ctx)
        c->ctx = sw_context_new(&(sw_context_options){
            .size = sizeof(sw_context_options),
            .threads = (int)cli_int(c, "threads"),
            .backend = cli_text(c, "backend"),
            .trace = cli_text(c, "topics"),
            .log = log_line,
            .log_user = c,
        });
    return c->ctx;
}

sw_status cli_store(cli *c, bool read_only, sw_store **store)
{
    if (!c->store) {
        if (!cli_context(c))
            return SW_NO_MEMORY;
        SW_TRY(sw_store_open(c->ctx, cli_text(c, "store"),
                             &(sw_store_options){.size = sizeof(sw_store_options), .read_only = read_only}, &c->store));
    }
    *store = c->store;
    return SW_OK;
}

static sw_cancel *signalled;

static void on_signal(int number)
{
    sw_cancel_request(signalled);
    signal(number, SIG_DFL); /* whoever asks twice means it */
}

sw_cancel *cli_cancel(cli *c)
{
    if (!c->cancel && cli_context(c) && (c->cancel = sw_cancel_new(c->ctx))) {
        signalled = c->cancel;
        struct sigaction action = {.sa_handler = on_signal};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigset_t both; /* a parent may have blocked them; nobody could stop us then */
        sigemptyset(&both);
        sigaddset(&both, SIGINT);
        sigaddset(&both, SIGTERM);
        pthread_sigmask(SIG_UNBLOCK, &both, NULL);
    }
    return c->cancel;
}

void cli_close(cli *c)
{
    if (c->cancel) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        sw_cancel_free(c->cancel);
    }
    sw_store_close(c->store);
    sw_context_free(c->ctx);
    for (size_t i = 0; i < c->rows.count; i++)
        sw_vec_free(c->own, &c->rows.items[i]);
    for (size_t i = 0; i < c->values.count; i++)
        sw_vec_free(c->own, &c->values.items[i].list);
    sw_vec_free(c->own, &c->rows);
    sw_vec_free(c->own, &c->values);
    sw_vec_free(c->own, &c->arguments);
    sw_text_free(&c->json_text);
    sw_arena_free(c->arena);
    sw_context_free(c->own);
}
