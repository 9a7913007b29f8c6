// held-lock DIRECTORY: keeps the lock of a directory, also once it is killed. In user and mount namespaces of its own it
// lists the directory into a page of a file that it serves itself, which it never fills. It keeps its /dev/fuse, so its
// end does not end the connection. Then prints "held", and another process waits for the lock to create an entry: the
// kernel holds whoever looks up a new name behind it.
#include "testing/fuse-server.h"
#include <sys/mman.h>
#include <sys/syscall.h>

#define POINT "/run/lower"

enum { FILE_NODE = 2, SIZE = 1 << 20 };

static int directory;

static void hold(void)
{
	if (write(STDOUT_FILENO, "held\n", 5) < 0)
		perror("held");
	if (fork() == 0) {
		mkdirat(directory, "waiting", 0700);
		_exit(0);
	}
}

static void reply(int fd, const struct fuse_in_header *in)
{
	static int requested;
	struct fuse_attr file = {.ino = FILE_NODE, .size = SIZE, .mode = S_IFREG | 0600, .nlink = 1};
	struct fuse_entry_out entry = {.nodeid = FILE_NODE, .entry_valid = 1000, .attr_valid = 1000, .attr = file};
	struct fuse_open_out opened = {0};

	if (in->opcode == FUSE_LOOKUP)
		answer(fd, in->unique, 0, &entry, sizeof(entry));
	else if (in->opcode == FUSE_OPEN)
		answer(fd, in->unique, 0, &opened, sizeof(opened));
	else if (in->opcode != FUSE_READ)
		answer_usual(fd, in);
	else if (!requested++)
		hold();
}

int main(int argc, char **argv)
{
	int device, file;
	void *page;

	if (argc != 2)
		return 1;
	directory = open(argv[1], O_RDONLY | O_DIRECTORY);
	device = mount_own(POINT);
	if (directory < 0 || device < 0)
		return 2;
	if (fork() == 0)
		serve(device, reply);
	file = open(POINT "/file", O_RDWR);
	page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	if (file < 0 || page == MAP_FAILED)
		return 3;
	syscall(SYS_getdents64, directory, page, SIZE);
	return 4;
}
