/* net/listen.h: sockets that wait for callers, and sockets that call. Uses: base/status.h. */
#ifndef SW_NET_LISTEN_H
#define SW_NET_LISTEN_H

#include "base/status.h"

#define SW_ADDRESS_MAX 80 /* "[<46 bytes of IPv6>%scope]:65535" fits */

/* Listens on "host:port", "[v6]:port" or ":port" (every interface); port 0 takes a free one. `*fd` is
 * non-blocking and the caller's to close; `bound` gets the address as numbers ("127.0.0.1:41875").
 * SW_BUSY when the address is in use (the text says how to choose another), SW_INVALID when it is none. */
sw_status sw_listen(const char *address, int *fd, char bound[SW_ADDRESS_MAX]);

/* A blocking TCP connection to "host:port", with TCP_NODELAY; SW_IO when nobody answers within `timeout_ms`. */
sw_status sw_dial(const char *address, int timeout_ms, int *fd);

#endif
