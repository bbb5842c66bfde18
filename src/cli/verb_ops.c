/* verb_ops.c: the op table, for people and as the page docs/ops.md. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "graph/op.h"

/* The element types of a port by the name of their class, or "a|b|c". */
static const char *types_text(cli *c, const sw_port *port)
{
    static const struct {
        sw_dtypes types;
        const char *name;
    } classes[] = {{SW_ANY, "any"},     {SW_NUMERIC, "numeric"}, {SW_FLOATING, "floating"}, {SW_INTEGER, "integer"},
                   {SW_INDEX, "index"}, {SW_FLOAT8, "float8"},   {SW_INT4, "4-bit"}};
    const char *text = "";
    if (port->same_as)
        return cli_format(c, "as %s", port->same_as);
    sw_dtypes left = port->dtypes;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if ((left & classes[i].types) == classes[i].types) {
            text = cli_format(c, "%s%s%s", text, *text ? "|" : "", classes[i].name);
            left &= ~classes[i].types;
        }
    for (int i = 0; i < 32 && left; i++)
        if (left & SW_DT(i)) {
            text = cli_format(c, "%s%s%s", text, *text ? "|" : "", sw_dtype_name((sw_dtype)i));
            left &= ~SW_DT(i);
        }
    return text;
}

static const char *ports_text(cli *c, const sw_port *ports, bool types)
{
    const char *text = "";
    for (int i = 0; i < SW_MAX_PORTS && ports[i].name; i++)
        text = cli_format(c, "%s%s%s%s%s%s", text, i ? ", " : "", ports[i].name,
                          ports[i].flags & SW_PORT_VARIADIC ? "…" : "", ports[i].flags & SW_PORT_OPTIONAL ? "?" : "",
                          types ? cli_format(c, ": %s", types_text(c, &ports[i])) : "");
    return text;
}

static const char *default_text(cli *c, const sw_attr_row *attr)
{
    if (attr->required)
        return "required";
    switch (attr->kind) {
    case SW_ATTR_INT:
        return cli_format(c, "%lld", (long long)attr->i);
    case SW_ATTR_FLOAT:
        return cli_format(c, "%g", attr->f);
    case SW_ATTR_STRING:
        return attr->s ? attr->s : "";
    case SW_ATTR_DTYPE:
        return sw_dtype_name((sw_dtype)attr->i);
    default:
        return "none";
    }
}

static const char *attrs_text(cli *c, const sw_op *op)
{
    const char *text = "";
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++)
        text = cli_format(c, "%s%s%s = %s", text, i ? ", " : "", op->attrs[i].name, default_text(c, &op->attrs[i]));
    return text;
}

static const char *gradient_text(const sw_op *op)
{
    static const char *const kinds[] = {"forgotten", "rule", "none", "by decomposition"};
    return kinds[op->grad.kind];
}

/* ---- The page ---- */

/* A bar would end a cell of a Markdown table. */
static void print_cell(const char *text)
{
    fputs("| ", stdout);
    for (; *text; text++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, stdout);
    putchar(' ');
}

static void print_page_attrs(cli *c, const sw_op *op)
{
    if (!op->attrs[0].name)
        return;
    printf("\n| attribute | default | meaning |\n|---|---|---|\n");
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++) {
        const sw_attr_row *attr = &op->attrs[i];
        const char *doc = attr->doc ? attr->doc : "";
        print_cell(cli_format(c, "`%s`", attr->name));
        print_cell(default_text(c, attr));
        print_cell(attr->choices ? cli_format(c, "%s%s`%s`", doc, *doc ? ": " : "", attr->choices) : doc);
        puts("|");
    }
}

static void print_page(cli *c, sw_context *ctx)
{
    printf(
        "# Ops\n\nMade by `slipway ops --markdown` from the op table; edit the rows in `src/ops/` instead.\n"
        "`?` marks an optional input, `…` any number of them. Types are classes: floating is f64, f32, f16 and bf16, "
        "index is i64 and i32.\n");
    for (int i = 0; i < sw_op_count(ctx); i++) {
        const sw_op *op = sw_op_at(ctx, i);
        printf("\n## %s\n\n%s\n\n`%s` (%s) → (%s)  \nGradient: %s.%s\n", op->name, op->doc, op->name,
               ports_text(c, op->inputs, true), ports_text(c, op->outputs, true), gradient_text(op),
               op->flags & SW_RANDOM ? " Random." : "");
        print_page_attrs(c, op);
    }
}

/* ---- The list ---- */

static void print_json(cli *c, sw_context *ctx)
{
    sw_json_writer *json = cli_json_begin(c, '[');
    for (int i = 0; i < sw_op_count(ctx); i++) {
        const sw_op *op = sw_op_at(ctx, i);
        sw_json_open(json, NULL, '{');
        sw_json_string(json, "name", op->name);
        sw_json_string(json, "doc", op->doc);
        sw_json_string(json, "inputs", ports_text(c, op->inputs, true));
        sw_json_string(json, "outputs", ports_text(c, op->outputs, true));
        sw_json_string(json, "attributes", attrs_text(c, op));
        sw_json_string(json, "gradient", gradient_text(op));
        sw_json_bool(json, "deterministic", (op->flags & SW_DETERMINISTIC) != 0);
        sw_json_close(json, '}');
    }
}

static int print_one(cli *c, sw_context *ctx, const char *name)
{
    const sw_op *op = sw_op_find(ctx, name);
    if (!op) {
        sw_fail(SW_NOT_FOUND, "there is no op '%s'; 'slipway ops' lists them", name);
        return cli_fail(c, SW_NOT_FOUND);
    }
    printf("%s(%s) -> (%s)\n%s\n", op->name, ports_text(c, op->inputs, true), ports_text(c, op->outputs, true),
           op->doc);
    for (int i = 0; i < SW_MAX_ATTRS && op->attrs[i].name; i++)
        printf("  %-20s %-10s %s%s%s\n", op->attrs[i].name, default_text(c, &op->attrs[i]),
               op->attrs[i].doc ? op->attrs[i].doc : "", op->attrs[i].choices ? ": " : "",
               op->attrs[i].choices ? op->attrs[i].choices : "");
    printf("gradient: %s\n", gradient_text(op));
    return 0;
}

static int run(cli *c)
{
    sw_context *ctx = cli_context(c);
    if (!ctx)
        return cli_fail(c, SW_NO_MEMORY);
    if (cli_json(c)) {
        print_json(c, ctx);
        return cli_json_done(c, ']');
    }
    if (cli_flag(c, "markdown"))
        return print_page(c, ctx), 0;
    if (cli_arg(c, 0))
        return print_one(c, ctx, cli_arg(c, 0));
    cli_table_row(c, "OP", "INPUTS", "OUTPUTS", "GRADIENT", "", NULL);
    for (int i = 0; i < sw_op_count(ctx); i++) {
        const sw_op *op = sw_op_at(ctx, i);
        cli_table_row(c, op->name, ports_text(c, op->inputs, false), ports_text(c, op->outputs, false),
                      gradient_text(op), op->doc, NULL);
    }
    return cli_table_done(c);
}

static const cli_option options[] = {
    {.name = "markdown", .type = CLI_FLAG, .flag_only = true, .help = "print the page docs/ops.md"},
    {0},
};

const cli_verb cli_verb_ops = {
    .name = "ops",
    .arguments = "[OP]",
    .help = "print the op table, or one op's row",
    .example = "slipway ops Conv",
    .most = 1,
    .options = options,
    .run = run,
};
