/* TLS by OpenSSL.
 *
 * OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE when the peer has gone, and a library has
 * no business changing the process's signals. So a small BIO of our own calls send(MSG_NOSIGNAL). Otherwise
 * plain: sessions are not cached on the server (tickets do that without memory), renegotiation is refused. */
#include "net/tls.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"

struct sw_tls {
    sw_context *ctx;
    SSL_CTX *ssl;
    BIO_METHOD *method;
};

struct sw_tls_session {
    sw_context *ctx;
    SSL *ssl;
    bool broken;
};

/* ---- the BIO: recv and send without signals ---- */

static int bio_done(BIO *bio, ssize_t count)
{
    BIO_clear_retry_flags(bio);
    return (int)count;
}

static int bio_failed(BIO *bio, int retry_flags)
{
    BIO_clear_retry_flags(bio);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        BIO_set_flags(bio, retry_flags | BIO_FLAGS_SHOULD_RETRY);
    return -1;
}

static int bio_read(BIO *bio, char *bytes, int size)
{
    ssize_t n = recv((int)(intptr_t)BIO_get_data(bio), bytes, (size_t)size, 0);
    return n >= 0 ? bio_done(bio, n) : bio_failed(bio, BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    ssize_t n = send((int)(intptr_t)BIO_get_data(bio), bytes, (size_t)size, MSG_NOSIGNAL);
    return n >= 0 ? bio_done(bio, n) : bio_failed(bio, BIO_FLAGS_WRITE);
}

static long bio_control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* ---- certificates ---- */

static sw_status fail_ssl(const char *what, const char *path)
{
    char reason[160];
    unsigned long error = ERR_peek_last_error();
    ERR_error_string_n(error, reason, sizeof reason);
    const char *text = ERR_reason_error_string(error);
    ERR_clear_error();
    return sw_fail(SW_INVALID, "%s '%s': %s", what, path, text ? text : reason);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                           unsigned int in_size, void *user)
{
    (void)ssl;
    (void)user;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static sw_tls *tls_new(sw_context *ctx, const SSL_METHOD *side)
{
    sw_tls *tls = sw_alloc_zero(ctx, sizeof *tls);
    if (!tls)
        return NULL;
    tls->ctx = ctx;
    tls->ssl = SSL_CTX_new(side);
    tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "slipway socket");
    if (!tls->ssl || !tls->method) {
        sw_tls_free(tls);
        sw_fail(SW_NO_MEMORY, "TLS: no memory");
        return NULL;
    }
    BIO_meth_set_read(tls->method, bio_read);
    BIO_meth_set_write(tls->method, bio_write);
    BIO_meth_set_ctrl(tls->method, bio_control);
    BIO_meth_set_create(tls->method, bio_create);
    SSL_CTX_set_min_proto_version(tls->ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(tls->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls->ssl, SSL_SESS_CACHE_OFF);
    return tls;
}

sw_tls *sw_tls_new(sw_context *ctx, const char *certificate_path, const char *key_path)
{
    sw_tls *tls = tls_new(ctx, TLS_server_method());
    if (!tls)
        return NULL;
    sw_status status = SW_OK;
    if (SSL_CTX_use_certificate_chain_file(tls->ssl, certificate_path) != 1)
        status = fail_ssl("TLS certificate", certificate_path);
    else if (SSL_CTX_use_PrivateKey_file(tls->ssl, key_path, SSL_FILETYPE_PEM) != 1)
        status = fail_ssl("TLS key", key_path);
    else if (SSL_CTX_check_private_key(tls->ssl) != 1)
        status = fail_ssl("TLS key does not belong to the certificate", key_path);
    if (status != SW_OK) {
        sw_tls_free(tls);
        return NULL;
    }
    SSL_CTX_set_alpn_select_cb(tls->ssl, choose_protocol, NULL);
    return tls;
}

sw_tls *sw_tls_new_client(sw_context *ctx, const char *authorities_path)
{
    sw_tls *tls = tls_new(ctx, TLS_client_method());
    if (!tls)
        return NULL;
    int loaded = authorities_path ? SSL_CTX_load_verify_locations(tls->ssl, authorities_path, NULL)
                                  : SSL_CTX_set_default_verify_paths(tls->ssl);
    if (loaded != 1) {
        fail_ssl("TLS authorities", authorities_path ? authorities_path : "of this system");
        sw_tls_free(tls);
        return NULL;
    }
    SSL_CTX_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
    return tls;
}

void sw_tls_free(sw_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ssl);
    BIO_meth_free(tls->method);
    sw_free(tls->ctx, tls);
}

/* ---- sessions ---- */

static sw_tls_session *session_new(sw_tls *tls, int fd)
{
    sw_tls_session *session = sw_alloc_zero(tls->ctx, sizeof *session);
    if (!session)
        return NULL;
    session->ctx = tls->ctx;
    session->ssl = SSL_new(tls->ssl);
    BIO *bio = session->ssl ? BIO_new(tls->method) : NULL;
    if (!bio) {
        SSL_free(session->ssl);
        sw_free(tls->ctx, session);
        sw_fail(SW_NO_MEMORY, "TLS: no memory for a session");
        return NULL;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    SSL_set_bio(session->ssl, bio, bio);
    return session;
}

sw_tls_session *sw_tls_accept(sw_tls *tls, int fd)
{
    sw_tls_session *session = session_new(tls, fd);
    if (session)
        SSL_set_accept_state(session->ssl);
    return session;
}

sw_tls_session *sw_tls_connect(sw_tls *tls, int fd, const char *host)
{
    sw_tls_session *session = session_new(tls, fd);
    if (!session)
        return NULL;
    SSL_set_connect_state(session->ssl);
    if (SSL_set_tlsext_host_name(session->ssl, host) != 1 || SSL_set1_host(session->ssl, host) != 1) {
        sw_tls_end(session);
        sw_fail(SW_INVALID, "TLS: '%s' is no host name", host);
        return NULL;
    }
    return session;
}

void sw_tls_goodbye(sw_tls_session *session)
{
    if (!session->broken && SSL_is_init_finished(session->ssl) && !(SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(session->ssl);
    ERR_clear_error();
}

void sw_tls_end(sw_tls_session *session)
{
    if (!session)
        return;
    sw_tls_goodbye(session);
    SSL_free(session->ssl);
    sw_free(session->ctx, session);
}

/* What an SSL call's result means, in the manner of recv. */
static ssize_t outcome(sw_tls_session *session, int result)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(session->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    session->broken = true;
    if (error != SSL_ERROR_SYSCALL || errno == 0)
        errno = EPROTO;
    return -1;
}

ssize_t sw_tls_read(sw_tls_session *session, void *bytes, size_t size)
{
    ERR_clear_error();
    errno = 0;
    return outcome(session, SSL_read(session->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size));
}

ssize_t sw_tls_write(sw_tls_session *session, const void *bytes, size_t size)
{
    ERR_clear_error();
    errno = 0;
    return outcome(session, SSL_write(session->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size));
}

bool sw_tls_ready(const sw_tls_session *session) { return SSL_is_init_finished(session->ssl); }
