/*
 * A context holds the key in ordinary memory, so none outlives its packet: freeing one wipes it. The cipher is looked up once, in
 * the process's life; it is never freed.
 */
#include "crypto/evp.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

enum { TAG = 16 };

static pthread_once_t looked_up = PTHREAD_ONCE_INIT;
static EVP_CIPHER *cipher; /* NULL: this libcrypto has none */

static void look_up(void)
{
	cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
}

/* NULL: not to be had. */
static EVP_CIPHER_CTX *begin(const struct lat_evp_job *job, int seal)
{
	EVP_CIPHER_CTX *ctx;
	int done;

	if (pthread_once(&looked_up, look_up) != 0 || cipher == NULL || job->bytes > INT_MAX ||
	    job->ad_bytes > INT_MAX)
		return NULL;
	ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, job->key, job->nonce, seal, NULL) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &done, job->ad, (int)job->ad_bytes) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

int lat_evp_seal(const struct lat_evp_job *job)
{
	EVP_CIPHER_CTX *ctx = begin(job, 1);
	int part, rest;
	bool done;

	if (ctx == NULL)
		return -ENOSYS;
	/* With the key and the nonce in place nothing is left that could fail: a stream cipher has no rest, the tag is ready. */
	done = EVP_CipherUpdate(ctx, job->out, &part, job->in, (int)job->bytes) == 1 &&
	       EVP_CipherFinal_ex(ctx, job->out + job->bytes, &rest) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, job->out + job->bytes) == 1;
	EVP_CIPHER_CTX_free(ctx);
	LAT_ASSERT(done);
	if (!done) /* what is sent then opens nowhere, and says nothing */
		memset(job->out, 0, job->bytes + TAG);
	return 0;
}

int lat_evp_open(const struct lat_evp_job *job)
{
	EVP_CIPHER_CTX *ctx = begin(job, 0);
	uint8_t tag[TAG];
	int part, rest;
	bool done;

	if (ctx == NULL)
		return -ENOSYS;
	memcpy(tag, job->in + job->bytes, TAG);
	done = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	       EVP_CipherUpdate(ctx, job->out, &part, job->in, (int)job->bytes) == 1 &&
	       EVP_CipherFinal_ex(ctx, job->out + job->bytes, &rest) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (done)
		return 0;
	memset(job->out, 0, job->bytes);
	return -EBADMSG;
}
