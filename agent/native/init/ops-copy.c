/* Copies the mode and content of a directory into the new file system that will cover it. */
#include "child.h"
#include "../common/linux-abi.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>

enum { MAX_DEPTH = 64, CHUNK = 1 << 20 };

static int copy_children(int from, int into, unsigned depth);

/* Opens the checked descriptor, not the name, which may refer to another file by now. */
static int copy_file(int source, int into, const char *name) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", source);
  int from = open(path, O_RDONLY | O_CLOEXEC);
  if (from < 0) return -errno;
  int to = openat(into, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ssize_t sent = to < 0 ? -1 : 1;
  while (sent > 0) sent = sendfile(to, from, NULL, CHUNK);
  int result = result_of(sent);
  drop_fd(&to);
  close(from);
  return result;
}

static int copy_link(int source, int into, const char *name) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(source, "", target, sizeof target - 1);
  if (length < 0) return -errno;
  target[length] = '\0';
  return result_of(symlinkat(target, into, name));
}

static int copy_directory(int source, int into, const char *name, unsigned depth) {
  if (mkdirat(into, name, 0700) < 0) return -errno;
  int to = openat(into, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (to < 0) return -errno;
  int result = copy_children(source, to, depth + 1);
  close(to);
  return result;
}

static int copy_metadata(int into, const char *name, const struct stat *of) {
  const struct timespec times[2] = {of->st_atim, of->st_mtim};
  if (fchownat(into, name, of->st_uid, of->st_gid, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  if (!S_ISLNK(of->st_mode) && fchmodat(into, name, of->st_mode & 07777, 0) < 0) return -errno;
  return result_of(utimensat(into, name, times, AT_SYMLINK_NOFOLLOW));
}

static int copy_entry(int from, int into, const char *name, unsigned depth) {
  struct stat found;
  int source = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (source < 0) return errno == ENOENT ? 0 : -errno; /* removed meanwhile */
  int result = result_of(fstat(source, &found));
  if (result == 0 && S_ISDIR(found.st_mode)) {
    result = copy_directory(source, into, name, depth);
  } else if (result == 0 && S_ISREG(found.st_mode)) {
    result = copy_file(source, into, name);
  } else if (result == 0 && S_ISLNK(found.st_mode)) {
    result = copy_link(source, into, name);
  } else if (result == 0) {
    result = result_of(mknodat(into, name, found.st_mode, found.st_rdev));
  }
  close(source);
  return result == 0 ? copy_metadata(into, name, &found) : result;
}

static int copy_children(int from, int into, unsigned depth) {
  if (depth > MAX_DEPTH) return -ELOOP;
  int list = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list < 0) return -errno;
  DIR *directory = fdopendir(list);
  if (directory == NULL) {
    close(list);
    return -ENOMEM;
  }
  int result = 0;
  struct dirent *entry;
  while (result == 0 && (entry = readdir(directory)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    result = copy_entry(from, into, entry->d_name, depth);
  }
  closedir(directory);
  return result;
}

/* Arguments: path, 1 to copy its mode, 1 to copy its content. */
OPERATION(copy_up) {
  struct stat found;
  int source = in_root_make(child, child_string(child, op, 0), S_IFDIR | 0755);
  if (source < 0) return source;
  int result = result_of(fstat(source, &found));
  if (result == 0 && op->arg[1]) result = result_of(fchmodat(child->mount, ".", found.st_mode & 07777, 0));
  if (result == 0 && op->arg[2]) result = copy_children(source, child->mount, 0);
  close(source);
  return result;
}
