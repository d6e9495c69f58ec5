//  libnftables: one text command in, a ruleset changed.
#pragma once
#include <nftables/libnftables.h>
