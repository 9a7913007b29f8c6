/* Prints what the file system shows: nodes with their modes, limits of the cgroup, and which devices can be used. */
#include "put.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void see_node(const char *section, const char *path) {
  struct stat file;
  char text[4480], target[4096] = "";
  if (lstat(path, &file) < 0) {
    put(section, path, strerror(errno));
    return;
  }
  if (S_ISLNK(file.st_mode) && readlink(path, target, sizeof target - 1) < 0) strcpy(target, "?");
  snprintf(text, sizeof text, "mode %o owner %u:%u device %u:%u %s", file.st_mode, file.st_uid, file.st_gid,
           major(file.st_rdev), minor(file.st_rdev), target);
  put(section, path, text);
}

/* Calls `each` for every name in the directory, in order. */
static void walk(const char *section, const char *directory, int depth, void (*each)(const char *, const char *)) {
  struct dirent **names;
  int count = scandir(directory, &names, NULL, alphasort);
  if (count < 0) put(section, directory, strerror(errno));
  for (int i = 0; i < count; i++) {
    char path[4096];
    const char *name = names[i]->d_name;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
      snprintf(path, sizeof path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name);
      each(section, path);
      if (names[i]->d_type == DT_DIR && depth > 0) walk(section, path, depth - 1, each);
    }
    free(names[i]);
  }
  if (count >= 0) free(names);
}

void see_nodes(const char *section, const char *directory, int depth) { walk(section, directory, depth, see_node); }

static void see_file(const char *section, const char *path) {
  struct stat file;
  if (stat(path, &file) == 0 && S_ISREG(file.st_mode)) put_file(section, path, path);
}

void see_files(const char *section, const char *directory) { walk(section, directory, 0, see_file); }

/* Creates and opens a new node for each device, to show what the filter, the capabilities and the mount allow. */
void see_devices(void) {
  static const struct {
    mode_t type;
    unsigned major, minor;
  } devices[] = {{S_IFCHR, 1, 3},  {S_IFCHR, 1, 5},    {S_IFCHR, 1, 1}, {S_IFCHR, 1, 11},   {S_IFCHR, 5, 0},
                 {S_IFCHR, 5, 1},  {S_IFCHR, 5, 2},    {S_IFCHR, 4, 0}, {S_IFCHR, 10, 200}, {S_IFCHR, 10, 229},
                 {S_IFCHR, 136, 0}, {S_IFCHR, 240, 3}, {S_IFBLK, 7, 0}, {S_IFBLK, 254, 0},  {S_IFBLK, 1, 3}};
  static const int flags[] = {O_RDONLY, O_WRONLY};
  for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) {
    char key[64], text[256];
    snprintf(key, sizeof key, "%c %u:%u", S_ISBLK(devices[i].type) ? 'b' : 'c', devices[i].major, devices[i].minor);
    const char *path = "/dev/probe-node";
    int made = mknod(path, devices[i].type | 0600, makedev(devices[i].major, devices[i].minor));
    snprintf(text, sizeof text, "make: %s", made < 0 ? strerror(errno) : "ok");
    for (unsigned j = 0; j < 2 && made == 0; j++) {
      int fd = open(path, flags[j] | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
      size_t at = strlen(text);
      snprintf(text + at, sizeof text - at, ", %s: %s", j ? "write" : "read", fd < 0 ? strerror(errno) : "ok");
      if (fd >= 0) close(fd);
    }
    unlink(path);
    put("device", key, text);
  }
}
