/* tests/net/callers.h: plain blocking callers for tests of servers. */
#ifndef TESTS_NET_CALLERS_H
#define TESTS_NET_CALLERS_H

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"

struct answer {
    int status; /* 0: the connection ended without one */
    char head[1024];
    char body[1 << 16];
    size_t body_size;
};

static inline int caller_open(const char *address)
{
    int fd = -1;
    if (sw_dial(address, 5000, &fd) != SW_OK)
        fprintf(stderr, "dial: %s\n", sw_error_text());
    struct timeval limit = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static inline void caller_send(int fd, const void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

static inline void caller_say(int fd, const char *text) { caller_send(fd, text, strlen(text)); }

/* One answer, read to the byte; pipelined ones stay in the socket. */
static inline struct answer *caller_hear(int fd, struct answer *a)
{
    memset(a, 0, sizeof *a);
    size_t size = 0;
    while (size < sizeof a->head - 1 && recv(fd, a->head + size, 1, 0) == 1) {
        size++;
        if (size >= 4 && memcmp(a->head + size - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    if (sscanf(a->head, "HTTP/1.1 %d", &a->status) != 1)
        return a;
    const char *length = strcasestr(a->head, "content-length:");
    size_t want = length ? strtoul(length + 15, NULL, 10) : 0;
    /* The first 64 KiB are kept, the rest is only read. */
    for (size_t heard = 0; heard < want;) {
        char rest[4096];
        size_t room = sizeof a->body - 1 - a->body_size, left = want - heard;
        ssize_t n = recv(fd, room ? a->body + a->body_size : rest,
                         room ? (left < room ? left : room) : (left < sizeof rest ? left : sizeof rest), 0);
        if (n <= 0)
            break;
        heard += (size_t)n;
        a->body_size += room ? (size_t)n : 0;
    }
    return a;
}

/* True when the server ends the connection within the caller's patience. */
static inline bool caller_sees_end(int fd)
{
    char byte;
    ssize_t n;
    while ((n = recv(fd, &byte, 1, 0)) == 1)
        ;
    return n == 0;
}

#endif
