// SPDX-License-Identifier: Apache-2.0
//
// libmnl and the kernel's headers of the messages that the suite sends.

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <errno.h>

// The error number of the call that failed just now; the variable itself is a macro that Swift cannot see.
static inline int clibmnl_errno(void) { return errno; }
