/* Addresses and the sockets made from them. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Splits "host:port"; an IPv6 host stands in brackets. */
static sw_status split(const char *address, char host[64], char port[8])
{
    const char *colon = strrchr(address, ':');
    const char *first = address, *last = colon;
    if (!colon)
        return sw_fail(SW_INVALID, "address '%s' has no port; write host:port, such as 127.0.0.1:8000", address);
    if (*first == '[' && last > first && last[-1] == ']') {
        first++;
        last--;
    } else if (memchr(first, ':', (size_t)(last - first))) {
        return sw_fail(SW_INVALID, "address '%s': an IPv6 host stands in brackets, such as [::1]:8000", address);
    }
    char *end;
    long number = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || number < 0 || number > 65535 || strlen(colon + 1) > 5)
        return sw_fail(SW_INVALID, "address '%s': '%s' is no port (0 to 65535)", address, colon + 1);
    if (last - first >= 64)
        return sw_fail(SW_INVALID, "address '%s': the host is longer than 63 bytes", address);
    memcpy(host, first, (size_t)(last - first));
    host[last - first] = 0;
    snprintf(port, 8, "%ld", number);
    return SW_OK;
}

static sw_status resolve(const char *address, int flags, struct addrinfo **found)
{
    char host[64], port[8];
    SW_TRY(split(address, host, port));
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int error = getaddrinfo(host[0] ? host : NULL, port, &want, found);
    if (error)
        return sw_fail(SW_INVALID, "address '%s': %s", address, gai_strerror(error));
    return SW_OK;
}

static void name_of(int fd, char text[SW_ADDRESS_MAX])
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char host[64] = "?", port[8] = "?";
    if (getsockname(fd, (struct sockaddr *)&at, &size) == 0)
        getnameinfo((struct sockaddr *)&at, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, SW_ADDRESS_MAX, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

sw_status sw_listen(const char *address, int *fd, char bound[SW_ADDRESS_MAX])
{
    struct addrinfo *found;
    SW_TRY(resolve(address, AI_PASSIVE, &found));
    int s = -1, error = 0;
    for (struct addrinfo *a = found; a && s < 0; a = a->ai_next) {
        s = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s < 0) {
            error = errno;
            continue;
        }
        int on = 1;
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(s, a->ai_addr, a->ai_addrlen) < 0 || listen(s, 1024) < 0) {
            error = errno;
            close(s);
            s = -1;
        }
    }
    freeaddrinfo(found);
    if (s < 0 && error == EADDRINUSE)
        return sw_fail(SW_BUSY, "%s is in use by another process; choose one with --listen", address);
    if (s < 0)
        return sw_fail_errno(error, "cannot listen on %s", address);
    *fd = s;
    name_of(s, bound);
    return SW_OK;
}

/* connect() with a bound on the wait: non-blocking for its duration only. */
static int connect_within(int s, const struct addrinfo *a, int timeout_ms)
{
    if (connect(s, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return errno;
    struct pollfd wait = {.fd = s, .events = POLLOUT};
    int ready = poll(&wait, 1, timeout_ms), error = 0;
    if (ready <= 0)
        return ready == 0 ? ETIMEDOUT : errno;
    socklen_t size = sizeof error;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

sw_status sw_dial(const char *address, int timeout_ms, int *fd)
{
    struct addrinfo *found;
    SW_TRY(resolve(address, 0, &found));
    int s = -1, error = 0;
    for (struct addrinfo *a = found; a && s < 0; a = a->ai_next) {
        s = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s < 0) {
            error = errno;
            continue;
        }
        error = connect_within(s, a, timeout_ms);
        if (error) {
            close(s);
            s = -1;
        }
    }
    freeaddrinfo(found);
    if (s < 0)
        return sw_fail_errno(error, "cannot connect to %s", address);
    int on = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_NONBLOCK);
    *fd = s;
    return SW_OK;
}
