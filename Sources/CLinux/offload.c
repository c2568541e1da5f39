// SPDX-License-Identifier: Apache-2.0

#include "offload.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ethtool(const char *interface, struct ethtool_value *value) {
    struct ifreq request = {.ifr_data = (void *)value};
    if (strlen(interface) >= sizeof request.ifr_name) return -ENODEV;
    strcpy(request.ifr_name, interface);
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int result = ioctl(descriptor, SIOCETHTOOL, &request) < 0 ? -errno : 0;
    close(descriptor);
    return result;
}

int linux_tx_checksum(const char *interface) {
    struct ethtool_value value = {.cmd = ETHTOOL_GTXCSUM};
    int result = ethtool(interface, &value);
    return result < 0 ? result : value.data != 0;
}

int linux_set_tx_checksum(const char *interface, bool offload) {
    struct ethtool_value value = {.cmd = ETHTOOL_STXCSUM, .data = offload};
    return ethtool(interface, &value);
}
