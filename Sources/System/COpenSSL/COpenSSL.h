//  OpenSSL 3: X25519, BLAKE2s, and the AEADs of machines without a faster library.
#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
