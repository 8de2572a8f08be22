// SPDX-License-Identifier: GPL-2.0
/*
 * ethset INTERFACE channels N		sets the number of combined channels
 * ethset INTERFACE rings RX TX		sets the sizes of the rings
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int ask(const char *interface, void *command)
{
	struct ifreq request = { .ifr_data = command };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (!ioctl(fd, SIOCETHTOOL, &request))
		return 0;
	perror(interface);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[2], "channels")) {
		struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

		if (ask(argv[1], &channels))
			return 1;
		channels.cmd = ETHTOOL_SCHANNELS;
		channels.combined_count = strtoul(argv[3], NULL, 0);
		return ask(argv[1], &channels);
	}
	if (argc == 5 && !strcmp(argv[2], "rings")) {
		struct ethtool_ringparam rings = { .cmd = ETHTOOL_GRINGPARAM };

		if (ask(argv[1], &rings))
			return 1;
		rings.cmd = ETHTOOL_SRINGPARAM;
		rings.rx_pending = strtoul(argv[3], NULL, 0);
		rings.tx_pending = strtoul(argv[4], NULL, 0);
		return ask(argv[1], &rings);
	}
	fprintf(stderr, "usage: ethset INTERFACE channels N | rings RX TX\n");
	return 2;
}
