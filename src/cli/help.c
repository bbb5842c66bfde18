/* help.c: the verbs' rows as help texts and as the man page docs/slipway.1 (`slipway help --man`). */
#include <stdio.h>
#include <string.h>

#include "cli/inside.h"

/* "-j, --json", "    --store FOLDER" */
static void option_label(const cli_option *option, char label[64])
{
    char letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(label, 64, "%s--%s%s%s", letter, option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
}

/* Paragraphs filled to 100 columns; lines that begin with a blank (recipes, commands) stay as they are. */
static void print_filled(FILE *out, const char *text)
{
    int column = 0;
    while (*text) {
        bool kept = column == 0 && *text == ' ';
        size_t length = kept ? strcspn(text, "\n") : strcspn(text, " \n");
        if (column > 0 && column + 1 + (int)length > 100) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%s%.*s", column > 0 ? " " : "", (int)length, text);
        column += (int)length + (column > 0);
        text += length;
        if (*text == '\n' && (kept || text[1] == '\n' || text[1] == ' ')) {
            fputs(text[1] == '\n' ? "\n\n" : "\n", out);
            text += text[1] == '\n' ? 2 : 1;
            column = 0;
        } else if (*text)
            text++;
    }
    fputc('\n', out);
}

/* "measure a model" as a sentence. */
static void print_sentence(FILE *out, const char *phrase)
{
    fprintf(out, "%c%s.\n", phrase[0] >= 'a' && phrase[0] <= 'z' ? phrase[0] - 'a' + 'A' : phrase[0], phrase + 1);
}

static void print_options(FILE *out, const char *title, const cli_option *options)
{
    if (!options || !options->name)
        return;
    fprintf(out, "\n%s:\n", title);
    for (; options->name; options++) {
        char label[64];
        option_label(options, label);
        fprintf(out, "  %-28s %s", label, options->help);
        if (options->standard && options->type != CLI_FLAG)
            fprintf(out, " (default %s)", options->standard);
        fputc('\n', out);
    }
}

static void print_program(FILE *out)
{
    fprintf(out, "slipway %s: deep learning from raw data to an answered request\n\n", sw_version());
    fprintf(out, "usage: slipway VERB [ARGUMENT…] [OPTION…]\n\nverbs:\n");
    for (int i = 0; cli_verbs[i]; i++)
        fprintf(out, "  %-10s %s\n", cli_verbs[i]->name, cli_verbs[i]->help);
    print_options(out, "options of every verb", cli_globals);
    fprintf(out, "\n'slipway help VERB' says more. A MODEL is a file, an https:// address, or name, name:version,\n"
                 "name@alias in the store. Exit codes: 0 done, 1 the work failed, 2 the command line was wrong.\n");
}

static void print_verb(FILE *out, const cli_verb *verb)
{
    if (!verb->actions)
        fprintf(out, "usage: slipway %s%s%s\n", verb->name, *verb->arguments ? " " : "", verb->arguments);
    for (const cli_action *a = verb->actions; a && a->name; a++)
        fprintf(out, "%s slipway %s %s%s%s\n%12s%s\n", a == verb->actions ? "usage:" : "      ", verb->name, a->name,
                *a->arguments ? " " : "", a->arguments, "", a->help);
    fputc('\n', out);
    print_sentence(out, verb->help);
    if (verb->details) {
        fputc('\n', out);
        print_filled(out, verb->details);
    }
    print_options(out, "options", verb->options);
    print_options(out, "options of every verb", cli_globals);
    if (verb->example)
        fprintf(out, "\nexample:\n  %s\n", verb->example);
}

void cli_print_help(const cli_verb *verb, bool to_stderr)
{
    FILE *out = to_stderr ? stderr : stdout;
    if (verb)
        print_verb(out, verb);
    else
        print_program(out);
}

/* ---- The man page ---- */

/* Text for troff: what would be read as a request or a hyphen is escaped. */
static void man_text(const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
        line_start = *text == '\n';
    }
}

static void man_sentence(const char *phrase)
{
    char first[2] = {phrase[0], '\0'};
    if (first[0] >= 'a' && first[0] <= 'z')
        first[0] = (char)(first[0] - 'a' + 'A');
    man_text(first);
    man_text(phrase + 1);
    fputs(".\n", stdout);
}

/* Paragraphs are parted by blank lines; indented lines are kept as they are. */
static void man_paragraphs(const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        char part[4096];
        snprintf(part, sizeof part, "%.*s", (int)length, text);
        bool kept = part[0] == ' ';
        fputs(kept ? ".PP\n.nf\n" : ".PP\n", stdout);
        man_text(part);
        fputs(kept ? "\n.fi\n" : "\n", stdout);
        text += length + (end ? 2 : 0);
    }
}

static void man_options(const cli_option *options)
{
    for (; options && options->name; options++) {
        fputs(".TP\n.B ", stdout);
        if (options->letter)
            printf("\\-%c, ", options->letter);
        fputs("\\-\\-", stdout);
        man_text(options->name);
        if (options->argument)
            printf(" \\fI%s\\fR", options->argument);
        putchar('\n');
        man_text(options->help);
        if (options->standard && options->type != CLI_FLAG) {
            fputs(" (default ", stdout);
            man_text(options->standard);
            putchar(')');
        }
        fputs(".\n", stdout);
    }
}

static void man_usage(const char *verb, const char *action, const char *arguments)
{
    fputs(".B slipway ", stdout);
    man_text(verb);
    if (action) {
        putchar(' ');
        man_text(action);
    }
    if (*arguments) {
        fputs(" \\fR", stdout);
        man_text(arguments);
    }
    putchar('\n');
}

static void man_verb(const cli_verb *verb)
{
    fputs(".SS ", stdout);
    man_text(verb->name);
    putchar('\n');
    if (!verb->actions)
        man_usage(verb->name, NULL, verb->arguments);
    fputs(".PP\n", stdout);
    man_sentence(verb->help);
    for (const cli_action *a = verb->actions; a && a->name; a++) {
        fputs(".TP\n", stdout);
        man_usage(verb->name, a->name, a->arguments);
        man_sentence(a->help);
    }
    if (verb->details)
        man_paragraphs(verb->details);
    man_options(verb->options);
    if (verb->example) {
        fputs(".PP\n.nf\n    ", stdout);
        man_text(verb->example);
        fputs("\n.fi\n", stdout);
    }
}

void cli_print_man(void)
{
    printf(".\\\" Made by `slipway help --man` from the table of verbs; edit src/cli/ instead.\n");
    printf(".TH SLIPWAY 1 \"\" \"slipway %s\" \"User Commands\"\n", sw_version());
    fputs(".SH NAME\nslipway \\- deep learning from raw data to an answered request\n", stdout);
    fputs(".SH SYNOPSIS\n.B slipway\n\\fIVERB\\fR [\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n", stdout);
    fputs(".SH VERBS\n", stdout);
    for (int i = 0; cli_verbs[i]; i++)
        man_verb(cli_verbs[i]);
    fputs(".SH OPTIONS OF EVERY VERB\n", stdout);
    man_options(cli_globals);
    fputs(".TP\n.B \\-\\-show\\-config\nPrint every setting of the verb, its value and who gave it, and do nothing "
          "else.\n"
          ".TP\n.B \\-h, \\-\\-help\nSay how the verb is used.\n"
          ".TP\n.B \\-\\-version\nPrint the version.\n",
          stdout);
    fputs(".SH CONFIGURATION\nEvery option is a setting: an option on the command line comes before the environment, "
          "that "
          "before the configuration file, that before what is built in. The environment variable of\n"
          ".B \\-\\-threads\nis\n.BR SLIPWAY_THREADS ,\nthat of\n.B \\-\\-listen\nof the verb serve is\n"
          ".BR SLIPWAY_SERVE_LISTEN .\nIn the file, options of every verb are keys at the top, those of one verb stand "
          "under its name:\n.PP\n.nf\n    threads: 2\n    serve:\n      listen: 127.0.0.1:9000\n.fi\n",
          stdout);
    fputs(".SH MODELS\nA MODEL is a file, an https:// address, or\n.IR name ,\n.IR name : version\nor\n"
          ".IR name @ alias\nin the store; a name alone means its newest version.\n",
          stdout);
    fputs(".SH FILES\n.TP\n.I ~/.local/share/slipway\nThe store.\n.TP\n.I ~/.config/slipway/config.yaml\n"
          "The configuration file.\n",
          stdout);
    fputs(".SH EXIT STATUS\n0 done; 1 the work failed; 2 the command line or a setting was wrong.\n", stdout);
}
