/* print.c: a value as a line on stderr, for programs of users; nothing in the library calls it. */
#include <stdio.h>

#include "slipway/ops.h"

void sw_print(sw_value *value)
{
    char text[4096];
    fprintf(stderr, "%s\n", value ? sw_value_text(value, text, sizeof text) : "no value: the graph has failed");
}
