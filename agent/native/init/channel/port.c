#include "port.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORTS "/sys/class/virtio-ports"

/* struct linux_dirent64 */
struct entry {
  uint64_t inode, offset;
  uint16_t length;
  uint8_t type;
  char name[];
};
enum { NAME_AT = offsetof(struct entry, name) };

static bool has_name(const char *device, const char *name) {
  char path[128], text[PORT_NAME + 1];
  int used = snprintf(path, sizeof path, PORTS "/%s/name", device);
  if (used < 0 || (size_t)used >= sizeof path || read_file(path, text, sizeof text) <= 0) return false;
  text[strcspn(text, "\n")] = '\0';
  return strcmp(text, name) == 0;
}

static int open_device(const char *device) {
  char path[128];
  int used = snprintf(path, sizeof path, "/dev/%s", device);
  if (used < 0 || (size_t)used >= sizeof path) return -ENAMETOOLONG;
  int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int port_open(const char *name) {
  _Alignas(struct entry) char entries[4096];
  int ports = open(PORTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = -ENOENT;
  if (ports < 0) return -errno;
  for (long length; found == -ENOENT && (length = syscall(SYS_getdents64, ports, entries, sizeof entries)) > 0;) {
    for (long at = 0; found == -ENOENT && at < length;) {
      const struct entry *entry = (const struct entry *)(entries + at);
      if (has_name(entries + at + NAME_AT, name)) found = open_device(entries + at + NAME_AT);
      at += entry->length;
    }
  }
  close(ports);
  return found;
}
