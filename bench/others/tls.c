/* lattice-bench-tls: TLS 1.3 over TCP by OpenSSL, one record a message, with a certificate made on the spot that nobody checks. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/main.h"
#include "others/socket.h"

static const char suite[] = "TLS_CHACHA20_POLY1305_SHA256";

struct party {
	int listener, fd;
	SSL_CTX *context;
	SSL *tls; /* once the other side is there */
};

static int certify(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	int rc = -EIO;

	if (key != NULL && cert != NULL && X509_set_pubkey(cert, key) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
	    X509_sign(cert, key, EVP_sha256()) > 0 && SSL_CTX_use_certificate(context, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(context, key) == 1)
		rc = 0;
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

static int make_party(void **socket, const SSL_METHOD *method)
{
	struct party *p = calloc(1, sizeof(*p));

	*socket = p;
	if (p == NULL)
		return -ENOMEM;
	p->listener = p->fd = -1;
	p->context = SSL_CTX_new(method);
	return p->context != NULL && SSL_CTX_set_min_proto_version(p->context, TLS1_3_VERSION) == 1 &&
			       SSL_CTX_set_ciphersuites(p->context, suite) == 1
		       ? 0
		       : -EIO;
}

static int listen_at(void **sock, enum other_way way, bool call, unsigned int id, char url[static OTHER_URL])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct party *p;
	int rc = make_party(sock, TLS_server_method());

	(void)way;
	(void)call;
	(void)id;
	if (rc < 0)
		return rc;
	p = *sock;
	rc = certify(p->context);
	if (rc < 0)
		return rc;
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listener < 0 || bind(p->listener, (const struct sockaddr *)&at, len) < 0 ||
	    listen(p->listener, 1) < 0 || getsockname(p->listener, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	(void)snprintf(url, OTHER_URL, "%u", ntohs(at.sin_port));
	return 0;
}

static int connect_to(void **sock, bool call, const char *url)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((in_port_t)strtoul(url, NULL, 10)) };
	int rc = make_party(sock, TLS_client_method());
	struct party *p = *sock;

	(void)call;
	if (rc < 0)
		return rc;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return p->fd < 0 || connect(p->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

/* The handshake is at the first message, when both sides are at work. */
static int begin(struct party *p)
{
	const int on = 1;

	if (p->tls != NULL)
		return 0;
	if (p->listener >= 0)
		p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	p->tls = SSL_new(p->context);
	if (p->tls == NULL || SSL_set_fd(p->tls, p->fd) != 1)
		return -EIO;
	return (p->listener >= 0 ? SSL_accept(p->tls) : SSL_connect(p->tls)) == 1 ? 0 : -EIO;
}

static int send_to(void *sock, const void *data, size_t len)
{
	struct party *p = sock;
	size_t sent;
	int rc = begin(p);

	if (rc < 0)
		return rc;
	return SSL_write_ex(p->tls, data, len, &sent) == 1 && sent == len ? 0 : -EIO;
}

static int recv_from(void *sock, void *data, size_t room)
{
	struct party *p = sock;
	int rc = begin(p);

	for (size_t at = 0, got = 0; rc == 0 && at < room; at += got)
		if (SSL_read_ex(p->tls, (char *)data + at, room - at, &got) != 1)
			rc = -EIO;
	return rc;
}

static void close_socket(void *sock)
{
	struct party *p = sock;

	SSL_free(p->tls);
	SSL_CTX_free(p->context);
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->listener >= 0)
		(void)close(p->listener);
	free(p);
}

const struct other_library other_library = { listen_at, connect_to, send_to, recv_from, close_socket };

int main(int argc, char **argv)
{
	static const struct bench_subject trip = OTHER_TRIP("tls", "TLS 1.3, 48 B", BENCH_PROCESS,
							    OTHER_SEALED);
	static const struct bench_subject small = OTHER_RATE("tls-64", "TLS 1.3, 64 B one way", BENCH_PROCESS,
							     OTHER_SEALED, 64);
	static const struct bench_subject large = OTHER_RATE("tls-64k", "TLS 1.3, 64 KiB one way",
							     BENCH_PROCESS, OTHER_SEALED, 64 << 10);
	static const struct bench_subject *const subjects[] = { &trip, &small, &large, NULL };
	static const struct bench_plan plan = { .title = "TLS 1.3 over TCP", .subjects = subjects };

	return bench_main(&plan, argc, argv);
}
