/* rows.c: cells, which every driver shares. */
#include "store/rows.h"

#include <math.h>
#include <string.h>

sw_cell sw_cell_int(int64_t value) { return (sw_cell){.kind = SW_CELL_INT, .integer = value}; }

/* Databases do not agree on NaN, and a diverged loss is worth keeping: it is stored as NULL and read as NaN. */
sw_cell sw_cell_real(double value)
{
    return isnan(value) ? (sw_cell){.kind = SW_CELL_NULL} : (sw_cell){.kind = SW_CELL_REAL, .real = value};
}

sw_cell sw_cell_text(const char *value)
{
    return value ? sw_cell_bytes(value, strlen(value)) : (sw_cell){.kind = SW_CELL_NULL};
}

sw_cell sw_cell_bytes(const char *text, size_t size)
{
    return (sw_cell){.kind = SW_CELL_TEXT, .text = text, .size = size};
}

int64_t sw_cell_as_int(const sw_cell *cell) { return cell->kind == SW_CELL_INT ? cell->integer : 0; }

double sw_cell_as_real(const sw_cell *cell)
{
    if (cell->kind == SW_CELL_INT)
        return (double)cell->integer;
    return cell->kind == SW_CELL_REAL ? cell->real : NAN;
}

const char *sw_cell_as_text(const sw_cell *cell) { return cell->kind == SW_CELL_TEXT ? cell->text : ""; }

sw_status sw_row_int(void *user, const sw_cell *cells, int count)
{
    if (count > 0)
        *(int64_t *)user = sw_cell_as_int(&cells[0]);
    return SW_OK;
}
