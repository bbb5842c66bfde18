/* rows_sqlite.c: rows in one SQLite file, and the only place that knows SQLite.
 *
 * The file is in WAL mode: readers never wait, one writer at a time does, and a transaction cut off by kill -9 is
 * as if it had never begun. Writing transactions take the write lock when they begin (`begin immediate`), so that
 * waiting for another process happens there, once, under busy_ms, and never in the middle. WRITE commits are not
 * flushed one by one (SQLite's synchronous=normal: whole after a crash of the process, and never torn); DURABLE
 * ones are, together with all before them.
 *
 * Prepared statements are kept by their text, because a run that logs prepares the same few thousands of times. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/rows.h"

#define STATEMENTS 48
#define COLUMNS 24

struct sqlite_rows {
    sw_rows rows;
    sw_context *ctx;
    sqlite3 *db;
    char *path;
    int busy_ms;
    bool durable; /* the connection's present synchronous setting */
    int next;     /* the statement to give up when all places are taken */
    sqlite3_stmt *statements[STATEMENTS];
};

/* What SQLite's result means for the person who has to act on it. */
static sw_status fail(const struct sqlite_rows *s, int code)
{
    int error = sqlite3_system_errno(s->db);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return sw_fail(SW_BUSY, "store: %s: another process has been writing for %d ms; try again", s->path,
                       s->busy_ms);
    case SQLITE_FULL:
        return sw_fail(SW_IO, "store: %s: no space left on the disk", s->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sw_fail(SW_CORRUPT, "store: %s is damaged (%s); put a copy in its place, or move it away to begin anew",
                       s->path, sqlite3_errstr(code & 0xff));
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return sw_fail(SW_IO, "store: %s: the store is read-only here", s->path);
    case SQLITE_NOMEM:
        return sw_fail(SW_NO_MEMORY, "store: %s: no memory", s->path);
    case SQLITE_CANTOPEN:
        return error ? sw_fail_errno(error, "store: cannot open %s", s->path)
                     : sw_fail(SW_IO, "store: cannot open %s", s->path);
    case SQLITE_IOERR:
        if (error == ENOSPC || error == EDQUOT || error == EFBIG)
            return sw_fail(SW_IO, "store: %s: no space left on the disk", s->path);
        if (error)
            return sw_fail_errno(error, "store: %s: reading or writing failed", s->path);
        return sw_fail(SW_IO, "store: %s: reading or writing failed (%s)", s->path, sqlite3_errstr(code));
    default:
        return sw_fail(SW_INTERNAL, "store: %s: %s", s->path, sqlite3_errmsg(s->db));
    }
}

static sw_status prepare(struct sqlite_rows *s, const char *sql, sqlite3_stmt **statement)
{
    int place = -1;
    for (int i = 0; i < STATEMENTS; i++) {
        if (s->statements[i] && strcmp(sqlite3_sql(s->statements[i]), sql) == 0) {
            *statement = s->statements[i];
            return SW_OK;
        }
        if (!s->statements[i])
            place = i;
    }
    if (place < 0) {
        place = s->next++ % STATEMENTS;
        sqlite3_finalize(s->statements[place]);
        s->statements[place] = NULL;
    }
    int code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->statements[place], NULL);
    *statement = s->statements[place];
    return code == SQLITE_OK ? SW_OK : fail(s, code);
}

/* `$1` is a name to SQLite; its place is asked for, so that parameters may stand in any order and repeat. */
static int bind(sqlite3_stmt *statement, const sw_cell *cells, int count)
{
    int code = SQLITE_OK;
    for (int i = 0; i < count && code == SQLITE_OK; i++) {
        char name[12];
        snprintf(name, sizeof name, "$%d", i + 1);
        int at = sqlite3_bind_parameter_index(statement, name);
        if (at == 0)
            return SQLITE_RANGE;
        if (cells[i].kind == SW_CELL_INT)
            code = sqlite3_bind_int64(statement, at, cells[i].integer);
        else if (cells[i].kind == SW_CELL_REAL)
            code = sqlite3_bind_double(statement, at, cells[i].real);
        else if (cells[i].kind == SW_CELL_TEXT)
            code = sqlite3_bind_text64(statement, at, cells[i].text, cells[i].size, SQLITE_STATIC, SQLITE_UTF8);
        else
            code = sqlite3_bind_null(statement, at);
    }
    return code;
}

static sw_cell cell_at(sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return sw_cell_int(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        return sw_cell_real(sqlite3_column_double(statement, column));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        return text ? sw_cell_bytes(text, (size_t)sqlite3_column_bytes(statement, column)) : (sw_cell){0};
    }
    default:
        return (sw_cell){0};
    }
}

static sw_status run(sw_rows *rows, const char *sql, const sw_cell *cells, int count, sw_row_fn on_row, void *user,
                     int64_t *changed)
{
    struct sqlite_rows *s = (struct sqlite_rows *)rows;
    sqlite3_stmt *statement;
    SW_TRY(prepare(s, sql, &statement));
    int code = bind(statement, cells, count);
    sw_status status = code == SQLITE_OK ? SW_OK : fail(s, code);
    while (status == SW_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        sw_cell row[COLUMNS];
        int columns = sqlite3_column_count(statement);
        if (columns > COLUMNS)
            columns = COLUMNS;
        for (int i = 0; i < columns; i++)
            row[i] = cell_at(statement, i);
        if (on_row)
            status = on_row(user, row, columns);
    }
    if (status == SW_OK && code != SQLITE_DONE)
        status = fail(s, code);
    if (changed)
        *changed = sqlite3_changes64(s->db);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

static sw_status begin(sw_rows *rows, sw_rows_mode mode)
{
    struct sqlite_rows *s = (struct sqlite_rows *)rows;
    bool durable = mode == SW_ROWS_DURABLE;
    if (mode != SW_ROWS_READ && durable != s->durable) {
        SW_TRY(sw_rows_plain(rows, durable ? "pragma synchronous=full" : "pragma synchronous=normal", NULL, NULL));
        s->durable = durable;
    }
    return sw_rows_plain(rows, mode == SW_ROWS_READ ? "begin" : "begin immediate", NULL, NULL);
}

static sw_status commit(sw_rows *rows) { return sw_rows_plain(rows, "commit", NULL, NULL); }

static void rollback(sw_rows *rows)
{
    struct sqlite_rows *s = (struct sqlite_rows *)rows;
    /* Some failures (a full disk) have rolled back already. */
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "rollback", NULL, NULL, NULL);
}

static sw_status has_table(sw_rows *rows, const char *name, bool *there)
{
    int64_t count = 0;
    sw_status status = sw_rows_run(rows, "select count(*) from sqlite_master where type = 'table' and name = $1",
                                   sw_row_int, &count, sw_cell_text(name));
    *there = count > 0;
    return status;
}

static sw_status see_check(void *user, const sw_cell *cells, int count)
{
    const struct sqlite_rows *s = user;
    const char *said = count > 0 ? sw_cell_as_text(&cells[0]) : "";
    return strcmp(said, "ok") == 0 ? SW_OK : sw_fail(SW_CORRUPT, "store: %s is damaged: %s", s->path, said);
}

static sw_status check(sw_rows *rows) { return sw_rows_plain(rows, "pragma integrity_check(1)", see_check, rows); }

static void close_rows(sw_rows *rows)
{
    struct sqlite_rows *s = (struct sqlite_rows *)rows;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    sw_free(s->ctx, s->path);
    sw_free(s->ctx, s);
}

static sw_status see_journal(void *user, const sw_cell *cells, int count)
{
    *(bool *)user = count > 0 && strcmp(sw_cell_as_text(&cells[0]), "wal") == 0;
    return SW_OK;
}

/* Going over to WAL needs the file alone for a moment and does not wait by itself: two processes that make a store
 * at the same time meet here. */
static sw_status use_wal(struct sqlite_rows *s)
{
    uint64_t until = sw_now_ns() + (uint64_t)s->busy_ms * 1000000;
    for (;;) {
        bool wal = false;
        sw_status status = sw_rows_plain(&s->rows, "pragma journal_mode=wal", see_journal, &wal);
        if (status == SW_OK && !wal)
            return sw_fail(SW_IO, "store: %s: this file system cannot hold a store (no shared memory for SQLite's WAL)",
                           s->path);
        if (status != SW_BUSY || sw_now_ns() > until)
            return status;
        usleep(2000);
    }
}

static int connect(struct sqlite_rows *s, const char *name, int flags)
{
    int code = sqlite3_open_v2(name, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(s->db, s->busy_ms);
    /* Opening is lazy; the first read tells whether it is a database and can be read here. */
    if (code == SQLITE_OK)
        code = sqlite3_exec(s->db, "select count(*) from sqlite_master", NULL, NULL, NULL);
    return code;
}

/* "file:PATH?immutable=1" with what a URI gives a meaning to escaped. */
static char *immutable_name(sw_context *ctx, const char *path)
{
    size_t size = strlen(path);
    char *name = sw_alloc_array(ctx, size + 10, 3);
    if (!name)
        return NULL;
    char *to = name + sprintf(name, "file:");
    for (const char *c = path; *c; c++)
        to += strchr("%?#", *c) ? sprintf(to, "%%%02X", (unsigned char)*c) : sprintf(to, "%c", *c);
    sprintf(to, "?immutable=1");
    return name;
}

/* A store on a read-only volume: WAL wants to write a shared-memory file even to read. When nobody can be writing
 * (no log beside it), the file may be declared immutable instead. */
static sw_status connect_read_only(struct sqlite_rows *s)
{
    int code = connect(s, s->path, SQLITE_OPEN_READONLY);
    struct stat log;
    char *name = sw_format(s->ctx, "%s-wal", s->path);
    if (!name)
        return sw_alloc_status();
    bool quiet = stat(name, &log) != 0 || log.st_size == 0;
    sw_free(s->ctx, name);
    if (code == SQLITE_OK || !quiet || (code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
        return code == SQLITE_OK ? SW_OK : fail(s, code);

    sw_status status = fail(s, code);
    if (!(name = immutable_name(s->ctx, s->path)))
        return sw_alloc_status();
    sqlite3_close(s->db);
    s->db = NULL;
    code = connect(s, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    sw_free(s->ctx, name);
    return code == SQLITE_OK ? SW_OK : status;
}

static sw_status connect_any(struct sqlite_rows *s, bool read_only)
{
    if (read_only) {
        if (!sw_path_exists(s->path))
            return sw_fail(SW_NOT_FOUND, "store: there is none at %s", s->path);
        return connect_read_only(s);
    }
    int code = connect(s, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (code != SQLITE_OK)
        return fail(s, code);
    SW_TRY(use_wal(s));
    SW_TRY(sw_rows_plain(&s->rows, "pragma synchronous=full", NULL, NULL));
    s->durable = true;
    return sw_rows_plain(&s->rows, "pragma foreign_keys=on", NULL, NULL);
}

static sw_status open_rows(sw_context *ctx, const char *where, const sw_rows_options *options, sw_rows **rows)
{
    struct sqlite_rows *s = sw_alloc_zero(ctx, sizeof *s);
    if (!s)
        return sw_alloc_status();
    s->rows.driver = &sw_rows_sqlite;
    s->ctx = ctx;
    s->busy_ms = options->busy_ms;
    sw_status status = sw_path_join(ctx, where, "store.db", &s->path);
    if (status == SW_OK)
        status = connect_any(s, options->read_only);
    if (status != SW_OK) {
        close_rows(&s->rows);
        return status;
    }
    *rows = &s->rows;
    return SW_OK;
}

const sw_rows_driver sw_rows_sqlite = {
    .name = "sqlite",
    .open = open_rows,
    .close = close_rows,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .has_table = has_table,
    .check = check,
};
