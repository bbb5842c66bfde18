/* net/http_grammar.h: the request line and the headers, read by a library. Only http.c uses this. */
#ifndef SW_NET_HTTP_GRAMMAR_H
#define SW_NET_HTTP_GRAMMAR_H

#include "net/http.h"

/* Reads a complete head (through its empty line) into m's method, target, status, minor, keep_alive and headers,
 * as spans of `head`. On failure sets m->status and m->error and returns false. */
bool sw_http_grammar_read(sw_http *m, const char *head, size_t size);

#endif
