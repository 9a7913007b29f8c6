/* Calls on a whole file by its path: what takes a round trip for each step takes one. */
#include "server.h"
#include "../../common/linux-abi.h"
#include <string.h>
#include <sys/vfs.h>

/* True if the types of file systems in a request's data have that of an open file. */
static bool is_allowed(int fd, const struct request *request) {
  struct statfs found;
  if (syscall(SYS_fstatfs, fd, &found) < 0) return false;
  for (uint32_t at = 0; at + sizeof(uint32_t) <= request->data_length; at += sizeof(uint32_t)) {
    uint32_t type;
    memcpy(&type, request->data + at, sizeof type);
    if (type == (uint32_t)found.f_type) return true;
  }
  return false;
}

/* Returns where the last `most` bytes of a file begin. */
static int64_t start_of_end(int fd, uint64_t most) {
  struct abi_statx found;
  if (abi_statx(fd, ABI_STATX_BASIC, &found) < 0) return -errno;
  return found.size > most ? (int64_t)(found.size - most) : 0;
}

int64_t file_load(struct server *server, const struct request *request) {
  const uint64_t most = request->number[2], end = request->number[3];
  if (most > sizeof server->out.data || end > 1) return -EINVAL;
  int64_t fd = find_file(server, request);
  if (fd < 0) return fd;
  if (!is_allowed((int)fd, request)) {
    close((int)fd);
    return -ENOTSUP;
  }
  fd = open_again((int)fd, O_RDONLY);
  if (fd < 0) return fd;
  int64_t start = end == 1 ? start_of_end((int)fd, most) : 0;
  int64_t length = start < 0 ? start : value_of(syscall(SYS_pread64, (int)fd, server->out.data, most, start));
  close((int)fd);
  if (length > 0) server->data_length = (size_t)length;
  return length;
}
