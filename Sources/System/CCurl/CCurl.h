//  libcurl: HTTP for clients. Its functions with variable arguments, which Swift does not import, one for each type.
#pragma once
#include <curl/curl.h>

static inline CURLcode hawser_curl_set_long(CURL *_Nonnull handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

/// Texts are copied; everything else must live as long as the handle.
static inline CURLcode hawser_curl_set_pointer(CURL *_Nonnull handle, CURLoption option, const void *_Nullable value) {
  return curl_easy_setopt(handle, option, value);
}

typedef size_t (*hawser_curl_taker)(char *_Nullable bytes, size_t size, size_t count, void *_Nullable place);

static inline CURLcode hawser_curl_set_taker(CURL *_Nonnull handle, CURLoption option, hawser_curl_taker _Nonnull taker) {
  return curl_easy_setopt(handle, option, taker);
}

static inline long hawser_curl_long(CURL *_Nonnull handle, CURLINFO information) {
  long value = 0;
  curl_easy_getinfo(handle, information, &value);
  return value;
}

/// What became of the one transfer that is over. In libcurl it lies in a union, which Swift would show with all its
/// members.
static inline CURLcode hawser_curl_result(CURLM *_Nonnull multi) {
  int left = 0;
  const CURLMsg *message = curl_multi_info_read(multi, &left);
  return message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_RECV_ERROR;
}
