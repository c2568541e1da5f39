// SPDX-License-Identifier: Apache-2.0

/*
 * floor: the least that a plugin can do, as the measure for what ours does.
 *
 *   floor version
 *   floor add BRIDGE NETNS HOSTIF CONTIF ADDRESS/LEN GATEWAY
 *   floor del HOSTIF
 *   floor rss PROGRAM [ARGUMENT...]
 *
 * `rss` runs a program and writes its peak memory in KiB as the last line on standard error. It exists because
 * ru_maxrss survives exec: a program that a large one starts begins with the peak of that one.
 *
 * Build: cc -O2 -o floor floor.c -lmnl
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MTU = 1500, MAC_LENGTH = 6, BUFFER = 8192 };

/* A route socket with the sequence number of its last message. */
struct route_socket {
    struct mnl_socket *mnl;
    unsigned int sequence;
};

static _Noreturn void die(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    fputs("floor: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s\n", strerror(error));
    exit(1);
}

static struct route_socket open_route_socket(void)
{
    struct route_socket s = { .mnl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC) };

    if (!s.mnl || mnl_socket_bind(s.mnl, 0, MNL_SOCKET_AUTOPID) < 0)
        die("netlink socket");
    return s;
}

static struct nlmsghdr *start(struct route_socket *s, void *at, int type, int flags)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(at);

    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = ++s->sequence;
    return message;
}

/* Sends `length` bytes and reads one answer per message up to the last one, which has the socket's sequence number. */
static void talk(struct route_socket *s, const void *messages, size_t length, mnl_cb_t on_data, void *data,
                 const char *what)
{
    char answer[BUFFER];
    unsigned int first = ((const struct nlmsghdr *)messages)->nlmsg_seq;
    unsigned int port = mnl_socket_get_portid(s->mnl);

    if (mnl_socket_sendto(s->mnl, messages, length) < 0)
        die("%s: send", what);
    while (first <= s->sequence) {
        ssize_t received = mnl_socket_recvfrom(s->mnl, answer, sizeof answer);
        int left = received;
        const struct nlmsghdr *message = (const struct nlmsghdr *)answer;

        if (received < 0)
            die("%s: receive", what);
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left), first++)
            if (mnl_cb_run(message, message->nlmsg_len, first, port, on_data, data) < 0)
                die("%s", what);
    }
}

static int take_index(const struct nlmsghdr *message, void *data)
{
    *(int *)data = ((const struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index;
    return MNL_CB_OK;
}

static int link_index(struct route_socket *s, const char *name)
{
    char buffer[256];
    int index = 0;
    struct nlmsghdr *message = start(s, buffer, RTM_GETLINK, 0);

    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    talk(s, message, message->nlmsg_len, take_index, &index, name);
    return index;
}

/* A random address, locally administered and unicast. */
static void put_mac(struct nlmsghdr *message)
{
    unsigned char mac[MAC_LENGTH];

    if (getrandom(mac, sizeof mac, 0) != sizeof mac)
        die("getrandom");
    mac[0] = (mac[0] & 0xfe) | 0x02;
    mnl_attr_put(message, IFLA_ADDRESS, sizeof mac, mac);
}

/* The pair in one message: the host end is in the bridge and up, the other end in the container, when it is born. */
static void create_pair(struct route_socket *s, int bridge, const char *host_name, const char *container_name,
                        int container)
{
    char buffer[1024];
    struct nlmsghdr *message = start(s, buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    struct ifinfomsg *host = mnl_nlmsg_put_extra_header(message, sizeof *host);
    struct nlattr *info, *data, *peer;

    host->ifi_flags = host->ifi_change = IFF_UP;
    mnl_attr_put_strz(message, IFLA_IFNAME, host_name);
    mnl_attr_put_u32(message, IFLA_MTU, MTU);
    mnl_attr_put_u32(message, IFLA_MASTER, bridge);
    put_mac(message);
    info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, container_name);
    mnl_attr_put_u32(message, IFLA_MTU, MTU);
    put_mac(message);
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, container);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    talk(s, message, message->nlmsg_len, NULL, NULL, "create the pair");
}

/* Link up, address and default route as one packet of three messages. */
static void configure(struct route_socket *s, int index, struct in_addr address, int length, struct in_addr gateway)
{
    char buffer[1024];
    struct in_addr mask = { .s_addr = length ? htonl(~0u << (32 - length)) : 0 };
    struct in_addr broadcast = { .s_addr = address.s_addr | ~mask.s_addr };
    struct nlmsghdr *message = start(s, buffer, RTM_NEWLINK, NLM_F_ACK);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof *link);
    struct ifaddrmsg *local;
    struct rtmsg *route;

    link->ifi_index = index;
    link->ifi_flags = link->ifi_change = IFF_UP;

    message = start(s, mnl_nlmsg_get_payload_tail(message), RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    local = mnl_nlmsg_put_extra_header(message, sizeof *local);
    local->ifa_family = AF_INET;
    local->ifa_prefixlen = length;
    local->ifa_index = index;
    mnl_attr_put(message, IFA_LOCAL, sizeof address, &address);
    mnl_attr_put(message, IFA_ADDRESS, sizeof address, &address);
    mnl_attr_put(message, IFA_BROADCAST, sizeof broadcast, &broadcast);

    message = start(s, mnl_nlmsg_get_payload_tail(message), RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    route = mnl_nlmsg_put_extra_header(message, sizeof *route);
    route->rtm_family = AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_BOOT;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    mnl_attr_put(message, RTA_GATEWAY, sizeof gateway, &gateway);
    mnl_attr_put_u32(message, RTA_OIF, index);

    talk(s, buffer, (char *)mnl_nlmsg_get_payload_tail(message) - buffer, NULL, NULL, "configure the container");
}

static struct in_addr parse_address(const char *text)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) == 1)
        return address;
    errno = EINVAL;
    die("%s", text);
}

static int add(char **argument)
{
    const char *bridge = argument[0], *namespace = argument[1], *host_name = argument[2];
    const char *container_name = argument[3];
    char *slash = strchr(argument[4], '/');
    int length = slash ? atoi(slash + 1) : 32;
    struct in_addr address, gateway = parse_address(argument[5]);
    struct route_socket host, inside;
    int home, container;

    if (slash)
        *slash = '\0';
    address = parse_address(argument[4]);
    if (length < 0 || length > 32) {
        errno = EINVAL;
        die("prefix length %d", length);
    }

    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    container = open(namespace, O_RDONLY | O_CLOEXEC);
    if (home < 0 || container < 0)
        die("open %s", home < 0 ? "the host's namespace" : namespace);
    host = open_route_socket();
    if (setns(container, CLONE_NEWNET) < 0)
        die("enter %s", namespace);
    inside = open_route_socket();
    if (setns(home, CLONE_NEWNET) < 0)
        die("return from %s", namespace);

    create_pair(&host, link_index(&host, bridge), host_name, container_name, container);
    configure(&inside, link_index(&inside, container_name), address, length, gateway);
    return 0;
}

static int del(const char *name)
{
    char buffer[256];
    struct route_socket s = open_route_socket();
    struct nlmsghdr *message = start(&s, buffer, RTM_DELLINK, NLM_F_ACK);

    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    talk(&s, message, message->nlmsg_len, NULL, NULL, name);
    return 0;
}

static int version(void)
{
    puts("{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\","
         "\"1.0.0\",\"1.1.0\"]}");
    return 0;
}

static int rss(char **command)
{
    struct rusage usage;
    int status;
    pid_t child = fork();

    if (child == 0) {
        execv(command[0], command);
        die("%s", command[0]);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0)
        die("run %s", command[0]);
    fprintf(stderr, "%ld\n", usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **argument)
{
    const char *command = count > 1 ? argument[1] : "";

    if (strcmp(command, "version") == 0 && count == 2)
        return version();
    if (strcmp(command, "add") == 0 && count == 8)
        return add(argument + 2);
    if (strcmp(command, "del") == 0 && count == 3)
        return del(argument[2]);
    if (strcmp(command, "rss") == 0 && count >= 3)
        return rss(argument + 2);
    fputs("usage: floor version\n"
          "       floor add BRIDGE NETNS HOSTIF CONTIF ADDRESS/LEN GATEWAY\n"
          "       floor del HOSTIF\n"
          "       floor rss PROGRAM [ARGUMENT...]\n",
          stderr);
    return 2;
}
