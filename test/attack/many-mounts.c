/*
 * many-mounts NUMBER: creates mounts on a path that takes 15 KiB in mountinfo, in its own user and mount namespaces,
 * for which it needs no capability; then waits.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) perror(path);
  close(fd);
}

int main(int argc, char **argv) {
  char name[256];
  int number = argc > 1 ? atoi(argv[1]) : 1000, made = 0;
  memset(name, '\\', 255);
  name[255] = '\0';
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) return perror("unshare"), 1;
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "0 1000 1");
  put("/proc/self/gid_map", "0 1000 1");
  if (mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0) return perror("tmpfs"), 2;
  if (chdir("/tmp") < 0) return 3;
  for (int depth = 0; depth < 14; depth++) if (mkdir(name, 0755) < 0 || chdir(name) < 0) return perror("mkdir"), 4;
  mkdir("here", 0755);
  while (made < number && mount("here", "here", NULL, MS_BIND, NULL) == 0) made++;
  printf("%d\n", made);
  fflush(stdout);
  for (;;) pause();
}
