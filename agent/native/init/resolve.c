#include "child.h"
#include "../common/linux-abi.h"
#include <fcntl.h>
#include <limits.h>

enum { MAX_LINKS = 40 };

/* A directory, and what the kernel does with links out of it: restart at it (IN_ROOT) or fail with EXDEV (BENEATH). */
struct base {
  int fd;
  uint64_t resolve;
};

/* A path that is created component by component. */
struct walk {
  struct base base;
  mode_t leaf;
  char path[PATH_MAX];
};

static int open_in(struct base base, const char *path) {
  struct abi_open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = base.resolve | ABI_RESOLVE_NO_MAGICLINKS};
  int fd = abi_openat2_retried(base.fd, path, &how);
  return fd < 0 ? -errno : fd;
}

static struct base whole_root(const struct child *child) { return (struct base){child->root, ABI_RESOLVE_IN_ROOT}; }

/*
 * Returns the newest attached mount that covers the path, and cuts *path to the rest, which may be empty; else the
 * root.
 */
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
  if (*rest == '\0') { /* the mount itself, whose root may be a file */
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

/* Opens the first `length` bytes of the path, or the base itself if they are only slashes. */
static int open_prefix(const struct walk *walk, size_t length) {
  char prefix[PATH_MAX];
  memcpy(prefix, walk->path, length);
  prefix[length] = '\0';
  return open_in(walk->base, prefix[strspn(prefix, "/")] == '\0' ? "." : prefix);
}

/*
 * Replaces the component path[start..end), a link whose target does not exist yet, by that target. Returns 1, or 0 if it
 * is no link: then another container with this root has created it meanwhile.
 */
static int follow(struct walk *walk, int parent, const char *name, size_t start, size_t end) {
  char link[PATH_MAX];
  ssize_t length = readlinkat(parent, name, link, sizeof link);
  if (length < 0) return errno == EINVAL ? 0 : -errno;
  if (link[0] == '/' && walk->base.resolve == ABI_RESOLVE_BENEATH) return -EXDEV;
  size_t kept = link[0] == '/' ? 0 : start, rest = strlen(walk->path + end);
  if (kept + (size_t)length + rest >= sizeof walk->path) return -ENAMETOOLONG;
  memmove(walk->path + kept + length, walk->path + end, rest + 1);
  memcpy(walk->path + kept, link, (size_t)length);
  return 1;
}

/* Creates the component path[start..end) if it is missing. Returns 1 to start over after `follow` replaced a link. */
static int step(struct walk *walk, size_t start, size_t end, bool last) {
  char name[NAME_SIZE];
  int found = open_prefix(walk, end);
  if (found >= 0) close(found);
  if (found != -ENOENT) return found < 0 ? found : 0;
  if (end - start >= sizeof name) return -ENAMETOOLONG;
  memcpy(name, walk->path + start, end - start);
  name[end - start] = '\0';
  int parent = open_prefix(walk, start);
  if (parent < 0) return parent;
  int result = make_leaf(parent, name, last ? walk->leaf : S_IFDIR | 0755);
  if (result == -EEXIST) result = follow(walk, parent, name, start, end);
  close(parent);
  return result;
}

/* Makes one pass over the components. Returns 1 to start over. */
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
  mode_t before = umask(0); /* modes apply exactly */
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
