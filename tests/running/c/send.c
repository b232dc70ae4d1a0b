// SPDX-License-Identifier: GPL-2.0
/* send ADDRESS COUNT: send UDP packets, and wait for no answer. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int i, fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 3 || fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	for (i = 0; i < atoi(argv[2]); i++)
		if (sendto(fd, "running", 7, 0, (struct sockaddr *)&to, sizeof(to)) != 7)
			return 1;
	return 0;
}
