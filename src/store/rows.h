/* store/rows.h: the rows of a store, as the store needs them from a database.
 *
 * The store speaks one small dialect of SQL that SQLite and PostgreSQL share: text, bigint and double precision
 * columns, `$1` parameters, natural keys, `on conflict … do update`. A driver opens the database, runs statements
 * and knows what its errors mean; it knows nothing of models and runs. Adding a database is one more driver, and
 * the store's tests are its tests.
 *
 * A sw_rows belongs to one thread at a time (the store's lock sees to that) and has at most one transaction.
 * Uses: base/. */
#ifndef SW_STORE_ROWS_H
#define SW_STORE_ROWS_H

#include "base/alloc.h"

typedef enum sw_cell_kind { SW_CELL_NULL, SW_CELL_INT, SW_CELL_REAL, SW_CELL_TEXT } sw_cell_kind;

/* One value of a row, or one parameter. Texts of parameters must live until the call returns; texts of results
 * until the row function returns. Texts may hold NUL bytes (logs). */
typedef struct sw_cell {
    sw_cell_kind kind;
    int64_t integer;
    double real;
    const char *text;
    size_t size;
} sw_cell;

sw_cell sw_cell_int(int64_t value);
sw_cell sw_cell_real(double value);                   /* NaN becomes NULL */
sw_cell sw_cell_text(const char *value);              /* NULL becomes NULL */
sw_cell sw_cell_bytes(const char *text, size_t size); /* text of known length */
int64_t sw_cell_as_int(const sw_cell *cell);          /* 0 for anything else */
double sw_cell_as_real(const sw_cell *cell);          /* NaN for NULL and text */
const char *sw_cell_as_text(const sw_cell *cell);     /* "" for anything else */

/* What a transaction is for. READ sees one state throughout. WRITE survives the death of the process, DURABLE also
 * the loss of power. */
typedef enum sw_rows_mode { SW_ROWS_READ, SW_ROWS_WRITE, SW_ROWS_DURABLE } sw_rows_mode;

/* Called for each row of a result. Must not run statements itself. A failure ends the statement with it. */
typedef sw_status (*sw_row_fn)(void *user, const sw_cell *cells, int count);

typedef struct sw_rows sw_rows;

typedef struct sw_rows_options {
    bool read_only;
    int busy_ms;
} sw_rows_options;

typedef struct sw_rows_driver {
    const char *name;
    /* `where`: the store's folder. SW_NOT_FOUND when read_only and there is no database. */
    sw_status (*open)(sw_context *ctx, const char *where, const sw_rows_options *options, sw_rows **rows);
    void (*close)(sw_rows *rows);
    sw_status (*begin)(sw_rows *rows, sw_rows_mode mode);
    sw_status (*commit)(sw_rows *rows); /* on failure the transaction is still to be rolled back */
    void (*rollback)(sw_rows *rows);    /* keeps the thread's error text */
    /* One statement; `on_row` may be NULL; `changed` (may be NULL) gets the number of rows written. */
    sw_status (*run)(sw_rows *rows, const char *sql, const sw_cell *cells, int count, sw_row_fn on_row, void *user,
                     int64_t *changed);
    sw_status (*has_table)(sw_rows *rows, const char *name, bool *there);
    /* The database's own look at itself. */
    sw_status (*check)(sw_rows *rows);
} sw_rows_driver;

/* What every driver's sw_rows begins with. */
struct sw_rows {
    const sw_rows_driver *driver;
};

extern const sw_rows_driver sw_rows_sqlite;

/* `sw_rows_run(rows, "insert into t values ($1, $2)", NULL, NULL, sw_cell_int(1), sw_cell_text("a"))` */
#define sw_rows_run(rows, sql, on_row, user, ...)                                                                      \
    (rows)->driver->run((rows), (sql), (const sw_cell[]){__VA_ARGS__},                                                 \
                        (int)(sizeof((const sw_cell[]){__VA_ARGS__}) / sizeof(sw_cell)), (on_row), (user), NULL)
/* The same, counting the rows written. */
#define sw_rows_change(rows, changed, sql, ...)                                                                        \
    (rows)->driver->run((rows), (sql), (const sw_cell[]){__VA_ARGS__},                                                 \
                        (int)(sizeof((const sw_cell[]){__VA_ARGS__}) / sizeof(sw_cell)), NULL, NULL, (changed))
/* A statement without parameters. */
#define sw_rows_plain(rows, sql, on_row, user) (rows)->driver->run((rows), (sql), NULL, 0, (on_row), (user), NULL)

/* A row function for one number: `user` is an int64_t that keeps its value when there is no row. */
sw_status sw_row_int(void *user, const sw_cell *cells, int count);

#endif
