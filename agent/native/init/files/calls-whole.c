/* Calls on a whole file by its name: what takes a round trip for each step takes one. */
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
  if (most > FILE_DATA || end > 1) return -EINVAL;
  int64_t fd = find_file(server, request);
  if (fd < 0) return fd;
  if (!is_allowed((int)fd, request)) {
    close((int)fd);
    return -ENOTSUP;
  }
  fd = open_again((int)fd, O_RDONLY);
  if (fd < 0) return fd;
  int64_t start = end == 1 ? start_of_end((int)fd, most) : 0;
  int64_t length = start < 0 ? start : value_of(syscall(SYS_pread64, (int)fd, server->data, most, start));
  close((int)fd);
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

/* Writes and attributes of a new file, in the order in which none undoes another: a new owner clears set-id bits. */
static int64_t fill(int fd, const struct request *request) {
  const uint64_t *number = request->number; /* mode, uid, gid, times */
  int64_t result = write_data(fd, request, 0);
  if (result >= 0) result = value_of(syscall(SYS_fchownat, fd, "", number[1], number[2], ABI_AT_EMPTY_PATH));
  if (result == 0) result = set_mode(fd, number[0]);
  return result < 0 ? result : value_of(syscall(SYS_utimensat, fd, "", number + 3, ABI_AT_EMPTY_PATH));
}

int64_t file_place(struct server *server, const struct request *request) {
  const bool replaces = request->number[7] != 0;
  int dir = fd_of(server, request->handle);
  int64_t fd = create_file(dir, request->name, 0600);
  if (fd == -EEXIST && replaces) {
    int64_t result = value_of(syscall(SYS_unlinkat, dir, request->name, 0));
    if (result < 0 && result != -ENOENT) return result;
    fd = create_file(dir, request->name, 0600);
  }
  if (fd < 0) return fd;
  int64_t result = fill((int)fd, request);
  close((int)fd);
  if (result == 0) result = value_of(syscall(SYS_renameat2, dir, request->name, dir, request->text, 0));
  if (result < 0) syscall(SYS_unlinkat, dir, request->name, 0);
  return result;
}

/* Reads a file behind the attributes of the answer. Returns its length, -EFBIG if that isn't all of it, or another -errno. */
static int64_t read_whole(struct server *server, int fd, uint64_t size, uint64_t most) {
  int64_t result = value_of(syscall(SYS_flistxattr, fd, NULL, 0));
  if (result != 0 && result != -EOPNOTSUPP) return result < 0 ? result : -EFBIG;
  result = value_of(syscall(SYS_pread64, fd, server->data + server->data_length, most, 0));
  if (result >= 0 && (uint64_t)result != size) return -EFBIG;
  if (result > 0) server->data_length += (size_t)result;
  return result;
}

int64_t file_take(struct server *server, const struct request *request) {
  const uint64_t most = request->number[2];
  struct file_attributes found;
  if (most > FILE_DATA - sizeof found) return -EINVAL;
  int64_t fd = find_file(server, request);
  if (fd < 0) return fd;
  int64_t result = attributes_of((int)fd, &found);
  if (result == 0 && found.size > most) result = -EFBIG;
  if (result < 0) {
    close((int)fd);
    return result;
  }
  fd = open_again((int)fd, O_RDONLY);
  if (fd < 0) return fd;
  answer_bytes(server, &found, sizeof found);
  result = read_whole(server, (int)fd, found.size, most);
  close((int)fd);
  return result;
}
