//  liburing, and what Swift cannot see of it.
#pragma once
#include <liburing.h>
