/* verb_train.c: a recipe becomes a trained, tested and registered model; its progress on stderr, its result on stdout.
 *
 * On a terminal one line is redrawn a few times a second; elsewhere each epoch is a plain line. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/verbs.h"
#include "slipway/train.h"

typedef struct shower {
    cli *c;
    bool terminal, quiet;
    uint64_t drawn_ns;
} shower;

/* ---- Progress ---- */

static const char *duration(double seconds, char text[32])
{
    if (!isfinite(seconds) || seconds < 0)
        return "?";
    int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, 32, "%lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60), (long long)(s % 60));
    else
        snprintf(text, 32, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
    return text;
}

static void clear_line(const shower *s)
{
    if (s->terminal)
        fputs("\r\033[K", stderr);
}

static void draw_step(shower *s, const sw_train_progress *p)
{
    uint64_t now = sw_now_ns();
    if (!s->terminal || (now - s->drawn_ns < 200000000 && p->batch < p->batches))
        return;
    s->drawn_ns = now;
    enum { WIDTH = 24 };
    char bar[WIDTH + 1], left[32];
    int64_t filled = p->batch * WIDTH / p->batches;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    bar[WIDTH] = '\0';
    clear_line(s);
    fprintf(stderr, "epoch %lld/%lld [%s] loss %.4f", (long long)p->epoch + 1, (long long)p->epochs, bar, p->loss);
    if (isfinite(p->accuracy))
        fprintf(stderr, "  accuracy %.4f", p->accuracy);
    if (p->samples_per_second > 0)
        fprintf(stderr, "  %.0f samples/s", p->samples_per_second);
    fprintf(stderr, "  %s left", duration(p->seconds_left, left));
}

static void show_epoch(const shower *s, const sw_train_progress *p)
{
    char spent[32];
    clear_line(s);
    fprintf(stderr, "epoch %lld/%lld  loss %.4f", (long long)p->epoch + 1, (long long)p->epochs, p->loss);
    if (isfinite(p->accuracy))
        fprintf(stderr, "  accuracy %.4f", p->accuracy);
    if (isfinite(p->validation_accuracy))
        fprintf(stderr, "  validation %.4f", p->validation_accuracy);
    else if (isfinite(p->validation_loss))
        fprintf(stderr, "  validation loss %.4f", p->validation_loss);
    fprintf(stderr, "  %s\n", duration(p->seconds, spent));
}

static void show_begin(const shower *s, const sw_train_progress *p)
{
    cli_note(s->c, "run %s: %s%s on %s, %lld parameters, %lld samples, %lld epoch%s of %lld steps", p->run,
             p->resumed ? "going on with " : "", p->model, p->data, (long long)p->parameters, (long long)p->samples,
             (long long)p->epochs, p->epochs == 1 ? "" : "s", (long long)p->batches);
}

static void show(void *user, const sw_train_progress *p)
{
    shower *s = user;
    if (s->quiet)
        return;
    switch (p->event) {
    case SW_TRAIN_BEGUN:
        show_begin(s, p);
        break;
    case SW_TRAIN_STEP:
        draw_step(s, p);
        break;
    case SW_TRAIN_EPOCH:
        show_epoch(s, p);
        break;
    case SW_TRAIN_TESTED:
    case SW_TRAIN_REGISTERED:
        clear_line(s);
        break;
    }
}

/* ---- Result ---- */

static int print_json(cli *c, const sw_train_result *r)
{
    sw_json_writer *json = cli_json_begin(c, '{');
    sw_json_string(json, "run", r->run);
    sw_json_int(json, "steps", r->steps);
    sw_json_int(json, "parameters", r->parameters);
    sw_json_double(json, "validation_accuracy", r->validation_accuracy);
    sw_json_double(json, "validation_loss", r->validation_loss);
    sw_json_double(json, "test_accuracy", r->test_accuracy);
    sw_json_double(json, "test_loss", r->test_loss);
    sw_json_string(json, "weights_sha256", r->weights);
    sw_json_string(json, "last_weights_sha256", r->last);
    if (r->version > 0) {
        sw_json_string(json, "model", cli_text(c, "register"));
        sw_json_int(json, "version", r->version);
        sw_json_string(json, "alias", cli_text(c, "alias"));
    }
    return cli_json_done(c, '}');
}

static void print_measure(const char *name, double value)
{
    if (isfinite(value))
        printf("%-20s %.4f\n", name, value);
}

static int print_result(cli *c, const sw_train_result *r)
{
    if (cli_json(c))
        return print_json(c, r);
    printf("%-20s %s\n", "run", r->run);
    print_measure("validation-accuracy", r->validation_accuracy);
    print_measure("validation-loss", r->validation_loss);
    print_measure("test-accuracy", r->test_accuracy);
    print_measure("test-loss", r->test_loss);
    printf("%-20s %s\n", "weights-sha256", r->weights);
    if (r->version > 0)
        printf("%-20s %s:%lld%s%s\n", "model", cli_text(c, "register"), (long long)r->version,
               cli_text(c, "alias") ? " @" : "", cli_text(c, "alias") ? cli_text(c, "alias") : "");
    return 0;
}

static int run(cli *c)
{
    sw_store *store;
    sw_train_result result;
    const char *recipe = cli_arg(c, 0), *resume = cli_text(c, "resume");
    if ((recipe == NULL) == (resume == NULL))
        return cli_wrong(c, "needs a recipe, or --resume and the run to go on with");
    if (cli_text(c, "alias") && !cli_text(c, "register"))
        return cli_wrong(c, "--alias needs --register");
    sw_status status = cli_store(c, false, &store);
    if (status != SW_OK)
        return cli_fail(c, status);
    shower s = {.c = c, .terminal = isatty(STDERR_FILENO) == 1, .quiet = cli_flag(c, "quiet")};
    sw_train_options o = {.size = sizeof o,
                          .store = store,
                          .recipe = recipe,
                          .resume = resume,
                          .any_identity = cli_flag(c, "any-identity"),
                          .data_folder = cli_text(c, "data-folder"),
                          .register_as = cli_text(c, "register"),
                          .alias = cli_text(c, "alias"),
                          .checkpoint_steps = cli_int(c, "checkpoint-steps"),
                          .checkpoint_seconds = cli_number(c, "checkpoint-seconds"),
                          .trace = cli_text(c, "trace"),
                          .cancel = cli_cancel(c),
                          .progress = show,
                          .user = &s};
    o.set_count = cli_list(c, "set", &o.sets);
    status = sw_train(cli_context(c), &o, &result);
    if (!s.quiet)
        clear_line(&s);
    if (status == SW_OK)
        return print_result(c, &result);
    int code = cli_fail(c, status);
    if (status == SW_CANCELLED && result.run[0] != '\0')
        cli_note(c, "go on with: slipway train --resume %s", result.run);
    return code;
}

static const cli_option options[] = {
    {.name = "set",
     .type = CLI_LIST,
     .argument = "KEY=VALUE",
     .flag_only = true,
     .help = "override the recipe, such as optimizer.lr=0.01 or epochs=3"},
    {.name = "resume",
     .type = CLI_TEXT,
     .argument = "RUN",
     .flag_only = true,
     .help = "go on with a run that was stopped or killed"},
    {.name = "any-identity",
     .type = CLI_FLAG,
     .flag_only = true,
     .help = "resume also where processor, libraries, threads or data differ and the bits will too"},
    {.name = "register",
     .type = CLI_TEXT,
     .argument = "MODEL",
     .flag_only = true,
     .help = "make the best weights a version of this model"},
    {.name = "alias", .type = CLI_TEXT, .argument = "NAME", .flag_only = true, .help = "and point this alias at it"},
    {.name = "data-folder",
     .type = CLI_TEXT,
     .argument = "FOLDER",
     .environment = "SLIPWAY_DATA_FOLDER",
     .help = "where the files of a known data set lie"},
    {.name = "trace",
     .type = CLI_TEXT,
     .argument = "FILE",
     .flag_only = true,
     .help = "write a timeline of 20 steps for chrome://tracing or Perfetto"},
    {.name = "checkpoint-steps",
     .type = CLI_INT,
     .argument = "N",
     .standard = "0",
     .low = 0,
     .high = 1e9,
     .help = "also write a checkpoint every N steps"},
    {.name = "checkpoint-seconds",
     .type = CLI_NUMBER,
     .argument = "S",
     .standard = "30",
     .low = 0.001,
     .high = 1e6,
     .help = "also write a checkpoint when the last is older"},
    {0},
};

const cli_verb cli_verb_train = {
    .name = "train",
    .arguments = "RECIPE.yaml | --resume RUN",
    .help = "train a model by a recipe",
    .details = "Trains, validates after every epoch, keeps the best and the last checkpoint in the store, and looks at "
               "the test "
               "set once, at the end, with the best weights. Ctrl-C stops the run with a checkpoint; a run that was "
               "stopped, or "
               "killed at any instant, goes on with --resume to the same bits.\n\n"
               "A recipe is a short YAML file:\n\n"
               "    name: fashion\n"
               "    data: fashion-mnist\n"
               "    model: [conv 32 3 relu, maxpool 2, conv 64 3 relu, maxpool 2, flatten, dense 10]\n"
               "    train: {optimizer: adam, lr: 1e-3, batch: 64, epochs: 8, seed: 1}",
    .example = "slipway train examples/fashion-mnist/cnn.yaml --register fashion --alias production",
    .most = 1,
    .options = options,
    .run = run,
};
