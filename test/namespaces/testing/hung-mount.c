// hung-mount DIRECTORY: mounts a file system that never responds. A process that accesses it waits until this program
// ends.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char options[96];
	int fd = open("/dev/fuse", O_RDWR);

	if (argc != 2 || fd < 0)
		return 1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (mount("hung", argv[1], "fuse", 0, options) < 0)
		return 2;
	puts("hung");
	fflush(stdout);
	close(1);
	for (;;)
		pause();
}
