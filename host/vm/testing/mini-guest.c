/*
 * PID 1 of a guest for the machine tests: loads the modules in /modules in order of name, prints the devices it finds, and
 * serves vsock port 1024. A connection that sends "off" powers the guest off, and one that sends "count" gets the number of
 * connections so far; any other gets its bytes back, and "eof" once it is half-closed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load_modules(void)
{
	struct dirent **entries;
	char path[512];
	int count = scandir("/modules", &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/modules/%s", entries[i]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) < 0)
			printf("mini: %s: %m\n", path);
		close(fd);
	}
}

static void show_file(const char *name, const char *path)
{
	char text[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t size = read(fd, text, sizeof text - 1);
	if (size > 0)
		printf("mini: %s: %s\n", name, text);
	close(fd);
}

static void try_share(void)
{
	mkdir("/share", 0755);
	if (mount("share", "/share", "virtiofs", 0, "") < 0)
		return;
	show_file("share", "/share/from-host");
	int fd = open("/share/from-guest", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, "hello from the guest", 20) != 20)
		printf("mini: share: %m\n");
	if (fd >= 0)
		close(fd);
}

static void serve(int connection)
{
	static int connections;
	char buffer[4096];
	ssize_t size;

	connections++;

	while ((size = read(connection, buffer, sizeof buffer)) > 0) {
		if (size >= 3 && memcmp(buffer, "off", 3) == 0) {
			sync();
			reboot(RB_POWER_OFF);
		}
		if (size >= 5 && memcmp(buffer, "count", 5) == 0)
			size = snprintf(buffer, sizeof buffer, "%d", connections);
		if (write(connection, buffer, (size_t)size) < 0)
			return;
	}
	if (size == 0 && write(connection, "eof", 3) < 0)
		printf("mini: after half-close: %m\n");
	printf("mini: connection over: %zd\n", size);
}

int main(void)
{
	char words[2048] = "";

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, "");
	mount("proc", "/proc", "proc", 0, "");
	mount("sys", "/sys", "sysfs", 0, "");
	int console = open("/dev/console", O_RDWR);
	dup2(console, 1);
	dup2(console, 2);
	setvbuf(stdout, NULL, _IOLBF, 0);

	int fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, words, sizeof words - 1) < 0)
		return 1;
	close(fd);
	puts("mini: hello");
	if (strstr(words, "mini.die"))
		return 1;
	load_modules();
	show_file("pmem0 sectors", "/sys/block/pmem0/size");
	show_file("vda sectors", "/sys/block/vda/size");
	try_share();

	struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = 1024};
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0)
		printf("mini: vsock: %m\n");
	if (!strstr(words, "mini.silent"))
		puts("guestd: listening");
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection < 0) {
			sleep(1);
			continue;
		}
		serve(connection);
		close(connection);
	}
}
