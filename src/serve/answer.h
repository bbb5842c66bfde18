/* serve/answer.h: the ways a request can end. After any of them the request is gone. Any thread.
 * Uses: serve/model.h. */
#ifndef SW_SERVE_ANSWER_H
#define SW_SERVE_ANSWER_H

#include "serve/model.h"

/* With its rows of a run's outputs. Does not let go of the version, whose outputs these are: the caller does, when all
 * of a batch are answered. */
void sw_request_answer(sw_request *r, sw_tensor *const *outputs, int64_t row);
/* With an error: the status as HTTP says it, the text, what the status asks for (Retry-After). */
void sw_request_fail(sw_request *r, sw_status status, const char *text);
/* The same for a body that could not be read, by this thread's text: 415 for what is not taken, else as above. */
void sw_request_refuse(sw_request *r, sw_status status);
/* The run failed. */
void sw_request_failed(sw_request *r, const sw_error *error);
/* Its time was over before it ran. */
void sw_request_late(sw_request *r);
/* Its caller has left. */
void sw_request_drop(sw_request *r);
int sw_http_status_of(sw_status status);

#endif
