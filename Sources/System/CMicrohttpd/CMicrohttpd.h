//  libmicrohttpd: HTTP/1.1 on a thread of its own.
#pragma once
#include <microhttpd.h>

/// Swift does not import functions with variable arguments.
static inline const struct sockaddr *_Nullable hawser_client_address(struct MHD_Connection *_Nonnull connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info ? info->client_addr : 0;
}

