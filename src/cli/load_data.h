/* cli/load_data.h: a data set's pictures as questions to a server, and whether the answers are right.
 *
 * After opening, all calls may be made by many threads at once. */
#ifndef SW_CLI_LOAD_DATA_H
#define SW_CLI_LOAD_DATA_H

#include "cli/cli.h"

typedef struct cli_questions cli_questions;

/* "NAME:SPLIT"; SW_UNSUPPORTED when its samples are no pictures with named classes. */
sw_status cli_questions_open(cli *c, const char *data, cli_questions **questions);
void cli_questions_close(cli_questions *questions); /* NULL is allowed */
int64_t cli_question_count(const cli_questions *questions);
/* Appends "Content-Length: …", the blank line and the picture `number` as PNG to a request's head. */
sw_status cli_question_write(cli_questions *questions, int64_t number, sw_text *request);
/* Whether the first tag of {"tags": [{"label": …}, …]} is the picture's class. */
bool cli_question_is_right(cli_questions *questions, int64_t number, const char *answer, size_t size);

#endif
