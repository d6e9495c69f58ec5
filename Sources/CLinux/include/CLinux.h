//  CLinux.h — the kernel's interfaces that Swift cannot import as they are: macros, variadic calls, what must happen
//  between fork and exec.
//
//  One header for each topic; each says what its functions are for. No header includes one of the C library: its
//  types would then belong to this module as well as to Glibc, and Swift takes them for either's, depending on the
//  order of imports elsewhere.
#pragma once

#include "doctor.h"
#include "namespaces.h"
#include "offloads.h"
#include "priority.h"
#include "spawn.h"
#include "tun.h"
