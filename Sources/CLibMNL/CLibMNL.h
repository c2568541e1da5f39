// SPDX-License-Identifier: Apache-2.0
//
// libmnl and the kernel's headers of the messages that the suite sends.

#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

// The error number of the call that failed just now; the variable itself is a macro that Swift cannot see.
static inline int clibmnl_errno(void) { return errno; }

// Keeps events from a socket that are no concern of its owner, who is not woken for them; on some hosts there are very many.
// Of routes only the removal of those of one protocol gets through, and of neighbours and forwarding entries only those of one
// interface; and neither if the socket with the port asked for it.
static inline int clibmnl_admit(int descriptor, uint8_t protocol, uint32_t interface, uint32_t port) {
    // A filter reads numbers in the network's order, and netlink has the machine's.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 9, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 2, 7),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(struct nlmsghdr) + offsetof(struct rtmsg, rtm_protocol)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocol, 2, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(struct nlmsghdr) + offsetof(struct ndmsg, ndm_ifindex)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(interface), 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}
