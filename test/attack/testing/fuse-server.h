// A FUSE server of an attacker, in user and mount namespaces of its own.
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

/* Enters the namespaces and mounts on `point`. Returns the server's /dev/fuse, or -1. */
static int mount_own(const char *point)
{
	char text[128];
	unsigned uid = getuid(), gid = getgid();
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	put("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", uid);
	put("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", gid);
	put("/proc/self/gid_map", text);
	fd = open("/dev/fuse", O_RDWR); /* in the namespace that mounts it */
	snprintf(text, sizeof(text), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	return mount("held", point, "fuse", 0, text) < 0 ? -1 : fd;
}

static void answer(int fd, uint64_t unique, int error, const void *body, size_t length)
{
	char message[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header head = {.len = sizeof(head) + length, .error = error, .unique = unique};

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), body, length);
	if (write(fd, message, head.len) < 0)
		perror("answer");
}

/* Answers as an empty directory does. */
static void answer_usual(int fd, const struct fuse_in_header *in)
{
	struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 4096};
	struct fuse_attr_out root = {.attr = {.ino = 1, .mode = S_IFDIR | 0755, .nlink = 2}};
	struct fuse_statfs_out size = {.st = {.bsize = 4096, .namelen = 255}};

	if (in->opcode == FUSE_INIT)
		answer(fd, in->unique, 0, &init, sizeof(init));
	else if (in->opcode == FUSE_GETATTR)
		answer(fd, in->unique, 0, &root, sizeof(root));
	else if (in->opcode == FUSE_STATFS)
		answer(fd, in->unique, 0, &size, sizeof(size));
	else if (in->opcode == FUSE_LOOKUP)
		answer(fd, in->unique, -ENOENT, NULL, 0);
	else if (in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET && in->opcode != FUSE_INTERRUPT)
		answer(fd, in->unique, -ENOSYS, NULL, 0);
}

/* Passes each request to `reply` until the connection ends. */
static void serve(int fd, void (*reply)(int fd, const struct fuse_in_header *in))
{
	static char message[1 << 17];

	while (read(fd, message, sizeof(message)) > 0)
		reply(fd, (void *)message);
	_exit(0);
}
