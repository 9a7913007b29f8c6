/* Calls on the content of open files, and on sockets and terminals that have a name in a directory. */
#include "server.h"
#include "../../common/linux-abi.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

enum { DEVPTS_MAGIC = 0x1cd1 };

int64_t file_read(struct server *server, const struct request *request) {
  int fd = fd_of(server, request->handle);
  if (request->number[1] > FILE_DATA) return -EINVAL;
  int64_t length = value_of(syscall(SYS_pread64, fd, server->data, request->number[1], request->number[0]));
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

int64_t write_data(int fd, const struct request *request, uint64_t position) {
  size_t done = 0;
  while (done < request->data_length) {
    const uint8_t *rest = request->data + done;
    long length = syscall(SYS_pwrite64, fd, rest, request->data_length - done, position + done);
    if (length <= 0) return length < 0 ? -errno : -ENOSPC;
    done += (size_t)length;
  }
  return (int64_t)done;
}

int64_t file_write(struct server *server, const struct request *request) {
  return write_data(fd_of(server, request->handle), request, request->number[0]);
}

int64_t file_seek(struct server *server, const struct request *request) {
  int whence = request->number[1] != 0 ? SEEK_HOLE : SEEK_DATA;
  return value_of(syscall(SYS_lseek, fd_of(server, request->handle), request->number[0], whence));
}

int64_t file_truncate(struct server *server, const struct request *request) {
  return value_of(syscall(SYS_ftruncate, fd_of(server, request->handle), request->number[0]));
}

/* Writes the address of an open file, or of a name in an open directory. Returns its length or -ENAMETOOLONG. */
static int64_t address_of(struct sockaddr_un *address, int fd, const char *name) {
  char link[LINK_BYTES];
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  link_name(link, fd);
  int length = snprintf(address->sun_path, sizeof address->sun_path, *name == '\0' ? "%s%s" : "%s/%s", link, name);
  return length < (int)sizeof address->sun_path ? (int64_t)sizeof *address : -ENAMETOOLONG;
}

int64_t file_bind(struct server *server, const struct request *request) {
  struct sockaddr_un address;
  int64_t size = address_of(&address, fd_of(server, request->handle), request->name);
  return size < 0 ? size : value_of(syscall(SYS_bind, server->given, &address, size));
}

int64_t file_connect(struct server *server, const struct request *request) {
  struct sockaddr_un address;
  int64_t size = address_of(&address, fd_of(server, request->handle), "");
  return size < 0 ? size : value_of(syscall(SYS_connect, server->given, &address, size));
}

static bool is_devpts(int fd) {
  struct statfs found;
  return syscall(SYS_fstatfs, fd, &found) == 0 && found.f_type == DEVPTS_MAGIC;
}

/* The kernel refuses a ptmx that is a link (ELOOP) or covered by a mount (EXDEV). */
int64_t file_terminal(struct server *server, const struct request *request) {
  const struct abi_open_how how = {
      .flags = O_RDWR | O_NOCTTY | O_CLOEXEC,
      .resolve = ABI_RESOLVE_NO_XDEV | ABI_RESOLVE_NO_SYMLINKS | ABI_RESOLVE_BENEATH,
  };
  int dir = fd_of(server, request->handle), unlock = 0;
  if (!is_devpts(dir)) return -ENODEV;
  int64_t master = value_of(abi_openat2_retried(dir, "ptmx", &how));
  if (master < 0) return master;
  int64_t result = is_devpts((int)master) ? value_of(syscall(SYS_ioctl, (int)master, TIOCSPTLCK, &unlock)) : -ENODEV;
  if (result < 0) close((int)master);
  else server->answered = (int)master;
  return result;
}
