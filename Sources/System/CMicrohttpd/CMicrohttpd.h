//  libmicrohttpd: HTTP/1.1 on a thread of its own.
#pragma once
#include <microhttpd.h>
