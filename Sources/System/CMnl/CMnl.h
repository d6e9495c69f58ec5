//  libmnl: rtnetlink messages.
#pragma once
#include <libmnl/libmnl.h>
