/* Operations on files in the root register, and mounts over them. */
#include "child.h"
#include "../common/linux-abi.h"
#include <fcntl.h>
#include <sys/sysmacros.h>

OPERATION(mkdir) {
  int fd = in_root_make(child, child_string(child, op, 0), S_IFDIR | (op->arg[1] & 07777));
  if (fd < 0) return fd;
  struct stat found;
  int result = result_of(fstat(fd, &found));
  close(fd);
  return result == 0 && !S_ISDIR(found.st_mode) ? -ENOTDIR : result;
}

/* Arguments: path, mode, major, minor, uid, gid. */
static int make_node(int parent, const char *name, const struct plan_op *op) {
  mode_t mode = op->arg[1];
  dev_t device = makedev(op->arg[2], op->arg[3]);
  mode_t before = umask(0);
  int result = result_of(mknodat(parent, name, mode, device));
  umask(before);
  if (result == 0) return result_of(fchownat(parent, name, op->arg[4], op->arg[5], AT_SYMLINK_NOFOLLOW));
  struct stat found;
  if (result != -EEXIST || fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0) return result;
  bool same = (found.st_mode & S_IFMT) == (mode & S_IFMT) && (S_ISFIFO(mode) || found.st_rdev == device);
  return same ? 0 : -EEXIST;
}

OPERATION(mknod) {
  char name[NAME_SIZE];
  int parent = in_root_parent(child, child_string(child, op, 0), name);
  if (parent < 0) return parent;
  int result = make_node(parent, name, op);
  close(parent);
  return result;
}

/* Arguments: target, path. */
OPERATION(symlink) {
  char name[NAME_SIZE];
  int parent = in_root_parent(child, child_string(child, op, 1), name);
  if (parent < 0) return parent;
  int result = result_of(symlinkat(child_string(child, op, 0), parent, name));
  close(parent);
  return result == -EEXIST ? 0 : result;
}

/* Attaches a mount to an open path and closes the mount's descriptor. Takes -1 and errno of the call before. */
static int cover(int mount, int target) {
  if (mount < 0) return -errno;
  int result = result_of(abi_move_mount(mount, target, "", ABI_MOVE_MOUNT_T_EMPTY_PATH));
  close(mount);
  return result;
}

/* Creates the first mask and clones the others from it once it is attached, as kernels before 6.15 require. */
static int mask_directory(struct child *child, int target) {
  const unsigned attributes =
      ABI_MOUNT_ATTR_RDONLY | ABI_MOUNT_ATTR_NOSUID | ABI_MOUNT_ATTR_NODEV | ABI_MOUNT_ATTR_NOEXEC;
  if (child->mask >= 0) return cover(abi_open_tree(child->mask, "", ABI_OPEN_TREE_CLONE | ABI_AT_EMPTY_PATH), target);
  int fs = abi_fsopen("tmpfs");
  if (fs < 0) return -errno;
  int result = 0;
  if (abi_fsconfig(fs, ABI_FSCONFIG_CMD_CREATE, NULL, NULL) < 0) result = -errno;
  if (result == 0 && (child->mask = abi_fsmount(fs, attributes)) < 0) result = -errno;
  close(fs);
  if (result != 0) return result;
  return result_of(abi_move_mount(child->mask, target, "", ABI_MOVE_MOUNT_T_EMPTY_PATH));
}

OPERATION(mask) {
  int target = in_root(child, child_string(child, op, 0));
  if (target == -ENOENT || target == -ENOTDIR) return 0;
  if (target < 0) return target;
  struct stat found;
  int result = result_of(fstat(target, &found));
  if (result == 0 && S_ISDIR(found.st_mode)) {
    result = mask_directory(child, target);
  } else if (result == 0) {
    result = cover(abi_open_tree(AT_FDCWD, "/dev/null", ABI_OPEN_TREE_CLONE), target);
  }
  close(target);
  return result;
}

OPERATION(readonly) {
  const struct abi_mount_attr readonly = {.set = ABI_MOUNT_ATTR_RDONLY};
  const char *path = child_string(child, op, 0);
  int target = in_root(child, path);
  if (target == -ENOENT || target == -ENOTDIR) return 0;
  if (target < 0) return target;
  int tree = abi_open_tree(target, "", ABI_OPEN_TREE_CLONE | ABI_AT_RECURSIVE | ABI_AT_EMPTY_PATH);
  int result = result_of(tree);
  if (result == 0) result = result_of(abi_mount_setattr(tree, ABI_AT_RECURSIVE, &readonly));
  if (result == 0) result = result_of(abi_move_mount(tree, target, "", ABI_MOVE_MOUNT_T_EMPTY_PATH));
  if (result == 0) result = keep_attached(child, path, &tree); /* for a later `mask` below it */
  drop_fd(&tree);
  close(target);
  return result;
}
