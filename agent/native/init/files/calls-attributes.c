/* Calls on the attributes of open files. */
#include "server.h"
#include "../../common/linux-abi.h"
#include <sys/vfs.h>

int64_t attributes_of(int fd, struct file_attributes *attributes) {
  struct abi_statx found;
  if (abi_statx(fd, ABI_STATX_BASIC | ABI_STATX_MOUNT, &found) < 0) return -errno;
  *attributes = (struct file_attributes){
      .dev = (uint64_t)found.dev_major << 32 | found.dev_minor,
      .ino = found.ino,
      .size = found.size,
      .blocks = found.blocks,
      .mount = found.mount,
      .mode = found.mode,
      .nlink = found.nlink,
      .uid = found.uid,
      .gid = found.gid,
      .atime = found.atime.seconds,
      .mtime = found.mtime.seconds,
      .ctime = found.ctime.seconds,
      .atime_ns = found.atime.nanoseconds,
      .mtime_ns = found.mtime.nanoseconds,
      .ctime_ns = found.ctime.nanoseconds,
  };
  return 0;
}

int64_t answer_attributes(struct server *server, int fd) {
  struct file_attributes attributes;
  int64_t result = attributes_of(fd, &attributes);
  if (result == 0) answer_bytes(server, &attributes, sizeof attributes);
  return result;
}

int64_t file_stat(struct server *server, const struct request *request) {
  return answer_attributes(server, fd_of(server, request->handle));
}

int64_t file_statfs(struct server *server, const struct request *request) {
  struct statfs found;
  if (syscall(SYS_fstatfs, fd_of(server, request->handle), &found) < 0) return -errno;
  const struct file_system answer = {
      .type = (uint32_t)found.f_type,
      .block_bytes = (uint64_t)found.f_bsize,
      .blocks = found.f_blocks,
      .free = found.f_bfree,
      .available = found.f_bavail,
      .files = found.f_files,
      .files_free = found.f_ffree,
  };
  answer_bytes(server, &answer, sizeof answer);
  return 0;
}

int64_t file_chown(struct server *server, const struct request *request) {
  int fd = fd_of(server, request->handle);
  return value_of(syscall(SYS_fchownat, fd, "", request->number[0], request->number[1], ABI_AT_EMPTY_PATH));
}

int64_t set_mode(int fd, uint64_t mode) {
  char name[LINK_BYTES];
  link_name(name, fd); /* also for O_PATH */
  return value_of(syscall(SYS_fchmodat, AT_FDCWD, name, mode & 07777));
}

int64_t file_chmod(struct server *server, const struct request *request) {
  return set_mode(fd_of(server, request->handle), request->number[0]);
}

int64_t file_utimens(struct server *server, const struct request *request) {
  /* The numbers are two structures timespec. */
  return value_of(syscall(SYS_utimensat, fd_of(server, request->handle), "", request->number, ABI_AT_EMPTY_PATH));
}

int64_t file_listxattr(struct server *server, const struct request *request) {
  int fd = fd_of(server, request->handle);
  int64_t length = value_of(syscall(SYS_flistxattr, fd, server->data, FILE_DATA));
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

int64_t file_getxattr(struct server *server, const struct request *request) {
  int fd = fd_of(server, request->handle);
  int64_t length = value_of(syscall(SYS_fgetxattr, fd, request->name, server->data, FILE_DATA));
  if (length > 0) server->data_length = (size_t)length;
  return length;
}

int64_t file_setxattr(struct server *server, const struct request *request) {
  int fd = fd_of(server, request->handle);
  return value_of(syscall(SYS_fsetxattr, fd, request->name, request->data, (size_t)request->data_length, 0));
}
