// held-overlay DIRECTORY: mounts an overlay on DIRECTORY, in user and mount namespaces of its own, above a file system
// that this program serves. Looking up "x" or "passwd" in it is never answered. Prints "mounted", then waits.
#include "testing/fuse-server.h"

#define LOWER "/run/lower"
#define OTHER "/run/other"

static void reply(int fd, const struct fuse_in_header *in)
{
	const char *name = (const char *)(in + 1);

	if (in->opcode == FUSE_LOOKUP && (!strcmp(name, "x") || !strcmp(name, "passwd")))
		return;
	answer_usual(fd, in);
}

int main(int argc, char **argv)
{
	pid_t server;
	int fd;

	if (argc != 2)
		return 1;
	fd = mount_own(LOWER);
	if (fd < 0)
		return 2;
	server = fork();
	if (server == 0)
		serve(fd, reply);
	close(fd);
	if (mount("overlay", argv[1], "overlay", 0, "lowerdir=" LOWER ":" OTHER) < 0) {
		perror("overlay");
		return 4;
	}
	printf("mounted\n");
	fflush(stdout);
	waitpid(server, NULL, 0);
	for (;;)
		pause();
}
