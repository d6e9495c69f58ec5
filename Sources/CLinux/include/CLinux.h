//  CLinux: what Swift cannot import or must not do itself. One header for each subject.
#pragma once
#include "namespaces.h"
#include "spawn.h"
