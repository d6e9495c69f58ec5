//  libmnl: rtnetlink messages, and the kernel's words in them.
#pragma once
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
