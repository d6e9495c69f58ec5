//  OpenSSL 3: X25519, BLAKE2s, and the AEADs of machines without a faster library. The functions here are those that a
//  datagram meets; everything slower is called from Swift.
#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#pragma clang assume_nonnull begin

/// What every key of datagrams begins with, whichever library seals with it.
struct hawser_key {
  size_t size;                       // of the whole allocation
  EVP_CIPHER_CTX *_Nullable mask;    // for headers
  EVP_CIPHER_CTX *_Nullable cipher;  // for datagrams; NULL when another library seals
  OSSL_PARAM tag[2];
};
/// Where the part of another library begins: on a line of its own.
static const size_t hawser_key_size = 128;
_Static_assert(sizeof(struct hawser_key) <= 128, "another library's part begins at 128");

/// OpenSSL keeps the address of a parameter's name, which must be a literal of C: one of Swift is gone after the call.
static inline void hawser_key_name_tag(struct hawser_key *key) {
  key->tag[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 16);
  key->tag[1] = OSSL_PARAM_construct_end();
}

/// 1, or 0 when OpenSSL could not. `cipher` is of a GCM or of ChaCha20-Poly1305 and has its key.
static inline int hawser_openssl_seal(
    void *context, const void *nonce, const void *header, size_t header_length, const void *source, size_t length,
    void *destination) {
  struct hawser_key *key = context;
  uint8_t *result = destination;
  int count = 0;
  key->tag[0].data = result + length;
  return EVP_EncryptInit_ex2(key->cipher, NULL, NULL, nonce, NULL) > 0 &&
         EVP_EncryptUpdate(key->cipher, NULL, &count, header, (int)header_length) > 0 &&
         EVP_EncryptUpdate(key->cipher, result, &count, source, (int)length) > 0 &&
         EVP_EncryptFinal_ex(key->cipher, result + length, &count) > 0 &&
         EVP_CIPHER_CTX_get_params(key->cipher, key->tag) > 0;
}

/// 1 when the tag behind the text is right.
static inline int hawser_openssl_open(
    void *context, const void *nonce, const void *header, size_t header_length, const void *source, size_t length,
    void *destination) {
  struct hawser_key *key = context;
  uint8_t *result = destination;
  int count = 0;
  key->tag[0].data = (uint8_t *)source + length;
  return EVP_DecryptInit_ex2(key->cipher, NULL, NULL, nonce, NULL) > 0 &&
         EVP_CIPHER_CTX_set_params(key->cipher, key->tag) > 0 &&
         EVP_DecryptUpdate(key->cipher, NULL, &count, header, (int)header_length) > 0 &&
         EVP_DecryptUpdate(key->cipher, result, &count, source, (int)length) > 0 &&
         EVP_DecryptFinal_ex(key->cipher, result + length, &count) > 0;
}

/// AES-128-ECB: the samples are the blocks. 0 when OpenSSL could not.
static inline int hawser_openssl_mask_aes(void *context, const void *samples, size_t number, void *masks) {
  struct hawser_key *key = context;
  int count = 0;
  return EVP_EncryptUpdate(key->mask, masks, &count, samples, (int)number * 16) > 0;
}

/// ChaCha20, as RFC 9001, 5.4.4 has it: a sample is counter and nonce, and zeros are encrypted. 0 when OpenSSL could not.
static inline int hawser_openssl_mask_chacha(void *context, const void *samples, size_t number, void *masks) {
  static const uint8_t zeros[16] = {0};
  struct hawser_key *key = context;
  int count = 0;
  for (size_t at = 0; at < number * 16; at += 16) {
    if (EVP_EncryptInit_ex2(key->mask, NULL, NULL, (const uint8_t *)samples + at, NULL) <= 0 ||
        EVP_EncryptUpdate(key->mask, (uint8_t *)masks + at, &count, zeros, 16) <= 0) {
      return 0;
    }
  }
  return 1;
}

/// A private key that can only derive. It comes with a public key of zeros, since OpenSSL would compute the right one, which
/// takes as long as deriving does, and which deriving does not need. NULL when there is no memory.
static inline EVP_PKEY *_Nullable hawser_x25519_deriving(const void *private_key) {
  uint8_t zeros[32] = {0};
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, (void *)private_key, 32),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, zeros, 32),
      OSSL_PARAM_construct_end(),
  };
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
  if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) <= 0) {
    key = NULL;
  }
  EVP_PKEY_CTX_free(context);
  return key;
}

/// A context for codes of this many bytes, and with this hash unless the algorithm has its own. NULL when there is none.
static inline EVP_MAC_CTX *_Nullable hawser_mac_context(EVP_MAC *algorithm, size_t size, const char *_Nullable hash) {
  OSSL_PARAM parameters[3], *next = parameters;
  *next++ = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
  if (hash) *next++ = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)hash, 0);
  *next = OSSL_PARAM_construct_end();
  EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithm);
  if (context && EVP_MAC_CTX_set_params(context, parameters) > 0) return context;
  EVP_MAC_CTX_free(context);
  return NULL;
}

/// A context that one thread at a time may use; who does not get it makes another.
struct hawser_kept_mac {
  EVP_MAC_CTX *_Nullable context;
  int busy;
};
static inline int hawser_kept_mac_claim(struct hawser_kept_mac *mac) {
  return !__atomic_exchange_n(&mac->busy, 1, __ATOMIC_ACQUIRE);
}
static inline void hawser_kept_mac_release(struct hawser_kept_mac *mac) {
  __atomic_store_n(&mac->busy, 0, __ATOMIC_RELEASE);
}

/// Whether the processor has instructions for AES: without them AES is slow, and its time tells of the key.
static inline int hawser_processor_has_aes(void) {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AES) && (c & bit_PCLMUL);
#elif defined(__aarch64__)
  return (getauxval(AT_HWCAP) & (1 << 3)) != 0;  // HWCAP_AES
#else
  return 0;
#endif
}

#pragma clang assume_nonnull end
