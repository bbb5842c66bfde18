/* net/tls.h: TLS over a non-blocking socket, by OpenSSL. Only tls.c knows it.
 *
 * Reads and writes behave like recv and send: a count, 0 at the peer's end, or -1 with errno (EAGAIN: later;
 * EPROTO: the session is broken). The handshake happens inside the first reads. One thread at a time may use
 * a session. Uses: base/status.h. */
#ifndef SW_NET_TLS_H
#define SW_NET_TLS_H

#include <sys/types.h>

#include "base/status.h"

typedef struct sw_tls sw_tls;
typedef struct sw_tls_session sw_tls_session;

/* A server's certificate chain and key (PEM files); TLS 1.2 and newer, ALPN "http/1.1". NULL with a text that
 * names the file. */
sw_tls *sw_tls_new(sw_context *ctx, const char *certificate_path, const char *key_path);
/* A caller's side; `authorities_path` (PEM) or NULL for the system's. */
sw_tls *sw_tls_new_client(sw_context *ctx, const char *authorities_path);
void sw_tls_free(sw_tls *tls); /* NULL is allowed; after its sessions */

/* `fd` stays the caller's. NULL with a text on failure. */
sw_tls_session *sw_tls_accept(sw_tls *tls, int fd);
/* The peer must prove to be `host`. */
sw_tls_session *sw_tls_connect(sw_tls *tls, int fd, const char *host);
/* Tells the peer that nothing more will be written (once, without waiting for his answer). */
void sw_tls_goodbye(sw_tls_session *session);
void sw_tls_end(sw_tls_session *session); /* says goodbye if it can; NULL is allowed */

ssize_t sw_tls_read(sw_tls_session *session, void *bytes, size_t size);
ssize_t sw_tls_write(sw_tls_session *session, const void *bytes, size_t size);
/* True once the handshake is over. */
bool sw_tls_ready(const sw_tls_session *session);

#endif
