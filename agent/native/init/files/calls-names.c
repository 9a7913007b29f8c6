/* Calls on names: opening, creating, linking and removing entries of directories. */
#include "server.h"
#include "../../common/linux-abi.h"
#include <string.h>
#include <sys/stat.h>

enum { OPEN_FLAGS = O_ACCMODE | O_DIRECTORY | O_NOFOLLOW | O_PATH | O_NONBLOCK | O_NOCTTY };
static const uint64_t RESOLVE_INSIDE = ABI_RESOLVE_BENEATH | ABI_RESOLVE_IN_ROOT;
static const uint64_t RESOLVE_ALL =
    ABI_RESOLVE_NO_XDEV | ABI_RESOLVE_NO_MAGICLINKS | ABI_RESOLVE_NO_SYMLINKS | RESOLVE_INSIDE;

static int64_t open_inside(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  const struct abi_open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  return value_of(abi_openat2_retried(dir, path, &how));
}

/*
 * Only directories, if asked for, and regular files: opening a device has effects, and opening a fifo may wait for
 * ever.
 */
int64_t open_again(int path, uint64_t flags) {
  char name[LINK_BYTES];
  struct abi_statx found;
  int64_t fd = value_of(abi_statx(path, ABI_STATX_TYPE, &found));
  bool wanted = (found.mode & S_IFMT) == ((flags & O_DIRECTORY) ? S_IFDIR : S_IFREG);
  if (fd == 0 && !wanted) fd = (flags & O_DIRECTORY) ? -ENOTDIR : -EINVAL;
  link_name(name, path);
  if (fd == 0) {
    int how = (int)(flags & ~(uint64_t)O_NOFOLLOW) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    fd = value_of(syscall(SYS_openat, AT_FDCWD, name, how, 0));
  }
  close(path);
  return fd;
}

/* Gives the descriptor to the handle that was asked for, and answers with its attributes. */
static int64_t opened(struct server *server, uint32_t handle, int64_t fd) {
  if (fd < 0) return fd;
  int64_t result = answer_attributes(server, (int)fd);
  if (result < 0) close((int)fd);
  else server->handles[handle] = (int)fd;
  return result;
}

int64_t find_file(const struct server *server, const struct request *request) {
  const uint64_t flags = request->number[0], resolve = request->number[1];
  int dir = fd_of(server, request->handle);
  if ((flags & ~(uint64_t)OPEN_FLAGS) != 0 || (resolve & ~RESOLVE_ALL) != 0) return -EINVAL;
  if ((resolve & RESOLVE_INSIDE) == 0) return -EINVAL;
  if (*request->name == '\0') return value_of(abi_dup(dir));
  return open_inside(dir, request->name, O_PATH | (flags & (O_DIRECTORY | O_NOFOLLOW)), 0, resolve);
}

int64_t file_open(struct server *server, const struct request *request) {
  const uint64_t flags = request->number[0];
  int64_t fd = find_file(server, request);
  if (fd >= 0 && (flags & O_PATH) == 0) fd = open_again((int)fd, flags);
  return opened(server, request->other, fd);
}

int64_t file_mount(struct server *server, const struct request *request) {
  struct abi_statx found;
  int64_t fd = find_file(server, request);
  if (fd < 0) return fd;
  int64_t result = value_of(abi_statx((int)fd, ABI_STATX_MOUNT, &found));
  close((int)fd);
  if (result == 0) result = (found.mask & ABI_STATX_MOUNT) != 0 ? (int64_t)found.mount : -ENOSYS;
  return result;
}

int64_t file_path(struct server *server, const struct request *request) {
  char name[LINK_BYTES];
  link_name(name, fd_of(server, request->handle));
  int64_t length = value_of(syscall(SYS_readlinkat, AT_FDCWD, name, server->data, PATH_MAX));
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

int64_t create_file(int dir, const char *name, uint64_t mode) {
  const uint64_t flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY;
  return open_inside(dir, name, flags, mode & 07777, ABI_RESOLVE_BENEATH);
}

int64_t file_create(struct server *server, const struct request *request) {
  int64_t fd = create_file(fd_of(server, request->handle), request->name, request->number[0]);
  return opened(server, request->other, fd);
}

int64_t file_adopt(struct server *server, const struct request *request) {
  int64_t fd = value_of(abi_dup(server->given));
  if (fd < 0) return fd;
  server->handles[request->other] = (int)fd;
  return 0;
}

int64_t file_close(struct server *server, const struct request *request) {
  if (request->handle == 0) return -EINVAL; /* the root */
  drop_fd(&server->handles[request->handle]);
  return 0;
}

int64_t file_readlink(struct server *server, const struct request *request) {
  int dir = fd_of(server, request->handle);
  int64_t length = value_of(syscall(SYS_readlinkat, dir, request->name, server->data, PATH_MAX));
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

int64_t file_list(struct server *server, const struct request *request) {
  int dir = fd_of(server, request->handle);
  if (request->number[0] != 0 && lseek(dir, 0, SEEK_SET) < 0) return -errno;
  int64_t length = value_of(syscall(SYS_getdents64, dir, server->data, FILE_DATA));
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

int64_t file_mkdir(struct server *server, const struct request *request) {
  return value_of(syscall(SYS_mkdirat, fd_of(server, request->handle), request->name, request->number[0] & 07777));
}

int64_t file_symlink(struct server *server, const struct request *request) {
  return value_of(syscall(SYS_symlinkat, request->text, fd_of(server, request->handle), request->name));
}

int64_t file_link(struct server *server, const struct request *request) {
  int from = fd_of(server, request->handle), to = fd_of(server, request->other);
  return value_of(syscall(SYS_linkat, from, request->name, to, request->text, 0));
}

int64_t file_rename(struct server *server, const struct request *request) {
  int from = fd_of(server, request->handle), to = fd_of(server, request->other);
  unsigned flags = request->number[0] != 0 ? RENAME_WITHOUT_REPLACING : 0;
  return value_of(syscall(SYS_renameat2, from, request->name, to, request->text, flags));
}

int64_t file_unlink(struct server *server, const struct request *request) {
  int flags = request->number[0] != 0 ? REMOVE_DIRECTORY : 0;
  return value_of(syscall(SYS_unlinkat, fd_of(server, request->handle), request->name, flags));
}
