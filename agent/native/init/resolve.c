#include "child.h"
#include "linux-abi.h"
#include <fcntl.h>
#include <limits.h>
#include <string.h>

enum { MAX_LINKS = 40, MAX_RETRIES = 1000 };

/* A directory, and whether what leads out of it by links ends at it (IN_ROOT) or is refused with EXDEV (BENEATH). */
struct base {
  int fd;
  uint64_t resolve;
};

/* A path being made, component by component. */
struct walk {
  struct base base;
  mode_t leaf;
  char path[PATH_MAX];
};

static int open_in(struct base base, const char *path) {
  struct abi_open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = base.resolve | ABI_RESOLVE_NO_MAGICLINKS};
  /* EAGAIN: a rename somewhere while ".." was resolved; a container that renames for ever only fails itself. */
  for (unsigned tries = 0; tries < MAX_RETRIES; tries++) {
    int fd = abi_openat2(base.fd, path, &how);
    if (fd >= 0) return fd;
    if (errno != EAGAIN && errno != EINTR) return -errno;
  }
  return -EAGAIN;
}

static struct base whole_root(const struct child *child) { return (struct base){child->root, ABI_RESOLVE_IN_ROOT}; }

/* The mount attached last that covers the path, and the rest of it, which may be empty; else the root. */
static struct base base_of(const struct child *child, const char **path) {
  for (unsigned i = child->attached_count; i-- > 0;) {
    const char *rest = plan_below(*path, child->attached[i].target);
    if (rest == NULL) continue;
    *path = rest;
    return (struct base){child->attached[i].fd, ABI_RESOLVE_BENEATH};
  }
  return whole_root(child);
}

int in_root(const struct child *child, const char *path) {
  const char *rest = path;
  struct base base = base_of(child, &rest);
  if (*rest == '\0') { /* the mount itself, which may be a file's */
    int mount = abi_dup(base.fd);
    return mount < 0 ? -errno : mount;
  }
  int fd = open_in(base, rest);
  return fd == -EXDEV ? open_in(whole_root(child), path) : fd;
}

int keep_attached(struct child *child, const char *target, int *mount) {
  int fd = *mount;
  *mount = -1;
  if (!plan_goes_below(&child->plan, child->index + 1, target)) {
    close(fd);
    return 0;
  }
  if (child->attached_count == MAX_ATTACHED) return -EMFILE;
  child->attached[child->attached_count++] = (struct attached){.target = target, .fd = fd};
  return 0;
}

void drop_attached(struct child *child) {
  while (child->attached_count > 0) close(child->attached[--child->attached_count].fd);
}

static int make_leaf(int parent, const char *name, mode_t mode) {
  if (S_ISDIR(mode)) return result_of(mkdirat(parent, name, mode & 07777));
  return result_of(mknodat(parent, name, mode, 0));
}

/* The component path[start..end) is a link to nowhere yet: put the link's target in its place. */
static int follow(struct walk *walk, int parent, size_t start, size_t end) {
  char link[PATH_MAX], next[PATH_MAX];
  char *path = walk->path;
  char after = path[end];
  path[end] = '\0';
  ssize_t length = readlinkat(parent, path + start, link, sizeof link);
  path[end] = after;
  if (length < 0) return -errno;
  if (link[0] == '/' && walk->base.resolve == ABI_RESOLVE_BENEATH) return -EXDEV;
  size_t kept = link[0] == '/' ? 0 : start;
  size_t rest = strlen(path + end);
  if (kept + (size_t)length + rest >= sizeof next) return -ENAMETOOLONG;
  memcpy(next, path, kept);
  memcpy(next + kept, link, (size_t)length);
  memcpy(next + kept + (size_t)length, path + end, rest + 1);
  memcpy(path, next, kept + (size_t)length + rest + 1);
  return 0;
}

/* Makes the component path[start..end) if it is missing. 1: a dangling link was replaced, begin again. */
static int step(struct walk *walk, size_t start, size_t end, bool last) {
  char *path = walk->path;
  char after = path[end], before = start > 0 ? path[start - 1] : '\0';
  path[end] = '\0';
  int fd = open_in(walk->base, path);
  int result = fd < 0 ? fd : 0;
  if (result != -ENOENT) goto out;
  if (start > 0) path[start - 1] = '\0';
  /* "/" leads out beneath a mount. */
  fd = open_in(walk->base, start > 1 ? path : ".");
  if (start > 0) path[start - 1] = before;
  if (fd < 0) {
    result = fd;
    goto out;
  }
  result = make_leaf(fd, path + start, last ? walk->leaf : S_IFDIR | 0755);
  if (result == -EEXIST) {
    path[end] = after;
    result = follow(walk, fd, start, end);
    close(fd);
    return result == 0 ? 1 : result;
  }
out:
  if (fd >= 0) close(fd);
  path[end] = after;
  return result;
}

/* One pass over the components. 1: begin again. */
static int make_components(struct walk *walk) {
  size_t start = 0;
  for (;;) {
    while (walk->path[start] == '/') start++;
    if (walk->path[start] == '\0') return 0;
    size_t end = start + strcspn(walk->path + start, "/");
    size_t next = end + strspn(walk->path + end, "/");
    int result = step(walk, start, end, walk->path[next] == '\0');
    if (result != 0) return result;
    start = end;
  }
}

static int make_in(struct base base, const char *path, mode_t leaf) {
  struct walk walk = {.base = base, .leaf = leaf};
  size_t length = strlen(path);
  if (length >= sizeof walk.path) return -ENAMETOOLONG;
  memcpy(walk.path, path, length + 1);
  mode_t before = umask(0); /* modes are exact */
  int result = 1;
  for (unsigned links = 0; result == 1; links++) result = links > MAX_LINKS ? -ELOOP : make_components(&walk);
  umask(before);
  return result;
}

int in_root_make(const struct child *child, const char *path, mode_t leaf) {
  int fd = in_root(child, path);
  if (fd != -ENOENT) return fd;
  const char *rest = path;
  struct base base = base_of(child, &rest);
  int result = make_in(base, rest, leaf);
  if (result == -EXDEV) result = make_in(whole_root(child), path, leaf);
  return result == 0 ? in_root(child, path) : result;
}

int in_root_parent(const struct child *child, const char *path, char name[NAME_SIZE]) {
  char parent[PATH_MAX];
  size_t end = strlen(path);
  while (end > 0 && path[end - 1] == '/') end--;
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  size_t length = end - start;
  if (length == 0 || start >= sizeof parent) return -EINVAL;
  if (length >= NAME_SIZE) return -ENAMETOOLONG;
  memcpy(name, path + start, length);
  name[length] = '\0';
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return -EINVAL;
  memcpy(parent, path, start);
  parent[start] = '\0';
  return in_root_make(child, start > 0 ? parent : "/", S_IFDIR | 0755);
}
