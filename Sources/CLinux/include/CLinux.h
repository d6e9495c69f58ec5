//  CLinux.h — the kernel's interfaces that Swift cannot import as they are: macros, variadic calls, what must happen between
//  fork and exec.
//
//  One header for each topic; each says what its functions are for.
#pragma once

#include "doctor.h"
#include "namespaces.h"
#include "priority.h"
#include "spawn.h"
#include "tun.h"
