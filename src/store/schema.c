/* schema.c: the tables, and how a store of an older Slipway becomes one of this.
 *
 * The schema has a number, kept in `meta`. Each step below brings a store from one number to the next, all missing
 * steps in one transaction; a step that was released is never edited. Keys are natural (names and numbers), so
 * that rows mean the same in every database and in every copy.
 *
 * The dialect is what SQLite and PostgreSQL share. A run's log is kept in pieces, each with the place in bytes at
 * which it begins. A NULL metric is NaN. */
#include "store/inside.h"

static const char *const step_1[] = {
    "create table models (name text primary key, created_ms bigint not null, last_version bigint not null)",

    "create table versions (model text not null references models (name), number bigint not null,"
    " created_ms bigint not null, run text, note text, primary key (model, number))",
    "create table version_files (model text not null, number bigint not null, position bigint not null,"
    " name text not null, hash text not null, size bigint not null, primary key (model, number, name),"
    " foreign key (model, number) references versions (model, number) on delete cascade)",
    "create table version_ports (model text not null, number bigint not null, side text not null,"
    " position bigint not null, name text not null, dtype text not null, shape text not null,"
    " primary key (model, number, side, position),"
    " foreign key (model, number) references versions (model, number) on delete cascade)",
    "create table version_classes (model text not null, number bigint not null, position bigint not null,"
    " name text not null, primary key (model, number, position),"
    " foreign key (model, number) references versions (model, number) on delete cascade)",
    "create table version_metrics (model text not null, number bigint not null, name text not null,"
    " value double precision, primary key (model, number, name),"
    " foreign key (model, number) references versions (model, number) on delete cascade)",

    "create table aliases (model text not null, name text not null, number bigint not null, primary key (model, name),"
    " foreign key (model, number) references versions (model, number))",
    "create table alias_moves (model text not null, name text not null, position bigint not null,"
    " at_ms bigint not null, from_number bigint not null, to_number bigint not null,"
    " primary key (model, name, position))",

    "create table run_names (name text primary key, last_number bigint not null)",
    "create table runs (id text primary key, name text not null, number bigint not null, state bigint not null,"
    " why text, recipe text, data_hash text, code_version text, identity text, seed bigint not null,"
    " begun_ms bigint not null, ended_ms bigint not null, beat_ms bigint not null,"
    " host text not null, boot text not null, pid bigint not null, started bigint not null)",
    "create table run_pairs (run text not null references runs (id) on delete cascade, kind text not null,"
    " name text not null, value text not null, primary key (run, kind, name))",
    "create table run_points (run text not null references runs (id) on delete cascade, name text not null,"
    " step bigint not null, value double precision, at_ms bigint not null, primary key (run, name, step))",
    "create table run_log (run text not null references runs (id) on delete cascade, position bigint not null,"
    " size bigint not null, text text not null, primary key (run, position))",
    "create table run_slots (run text not null references runs (id) on delete cascade, slot text not null,"
    " hash text not null, size bigint not null, step bigint not null, metric double precision,"
    " at_ms bigint not null, primary key (run, slot))",
    NULL,
};

static const char *const *const steps[] = {step_1};
#define SCHEMA ((int64_t)(sizeof steps / sizeof steps[0]))

static sw_status read_schema(sw_rows *rows, int64_t *schema)
{
    return sw_rows_plain(rows, "select value from meta where name = 'schema'", sw_row_int, schema);
}

static sw_status migrate(sw_rows *rows, const char *path)
{
    int64_t schema = 0;
    SW_TRY(sw_rows_plain(rows, "create table if not exists meta (name text primary key, value bigint not null)", NULL,
                         NULL));
    SW_TRY(read_schema(rows, &schema));
    if (schema > SCHEMA)
        return sw_fail(SW_UNSUPPORTED,
                       "store: %s has schema %lld, made by a newer Slipway; this one knows up to %lld: update it", path,
                       (long long)schema, (long long)SCHEMA);
    if (schema == 0)
        SW_TRY(sw_rows_plain(rows, "insert into meta (name, value) values ('changes', 1), ('schema', 0)", NULL, NULL));
    for (int64_t s = schema; s < SCHEMA; s++)
        for (int i = 0; steps[s][i]; i++)
            SW_TRY(sw_rows_plain(rows, steps[s][i], NULL, NULL));
    return sw_rows_run(rows, "update meta set value = $1 where name = 'schema'", NULL, NULL, sw_cell_int(SCHEMA));
}

sw_status sw_schema_open(sw_rows *rows, bool read_only, const char *path)
{
    /* The common case writes nothing: a store that is up to date opens while another process publishes. */
    int64_t schema = 0;
    bool there = false;
    SW_TRY(rows->driver->has_table(rows, "meta", &there));
    if (there)
        SW_TRY(read_schema(rows, &schema));
    if (schema == SCHEMA)
        return SW_OK;
    if (read_only && schema < SCHEMA)
        return sw_fail(SW_UNSUPPORTED, "store: %s has schema %lld, this program needs %lld: open it once for writing",
                       path, (long long)schema, (long long)SCHEMA);

    SW_TRY(rows->driver->begin(rows, SW_ROWS_DURABLE));
    sw_status status = migrate(rows, path);
    if (status == SW_OK)
        status = rows->driver->commit(rows);
    if (status != SW_OK)
        rows->driver->rollback(rows);
    return status;
}
