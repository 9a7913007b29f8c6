/* Operations on mounts; the mount register holds what the last one made. */
#include "child.h"
#include "linux-abi.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

static int take_mount(struct child *child, int mount) {
  if (mount < 0) return -errno;
  drop_fd(&child->mount);
  child->mount = mount;
  return 0;
}

static int set_attributes(int mount, const struct plan_op *op) {
  struct abi_mount_attr attr = {.set = op->arg[0], .clear = op->arg[1], .propagation = op->arg[2]};
  return result_of(abi_mount_setattr(mount, op->arg[3] ? ABI_AT_RECURSIVE : 0, &attr));
}

int op_propagate(struct child *child, const struct plan_op *op) {
  return result_of(mount(NULL, child_string(child, op, 0), NULL, op->arg[1], NULL));
}

static unsigned clone_flags(bool recursive) { return ABI_OPEN_TREE_CLONE | (recursive ? ABI_AT_RECURSIVE : 0); }

/* Arguments: 1 if the path is in root, path, recursive. In the guest no link is followed: -ELOOP. */
int op_open_tree(struct child *child, const struct plan_op *op) {
  const char *path = child_string(child, op, 1);
  struct abi_open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = ABI_RESOLVE_NO_SYMLINKS};
  int source = op->arg[0] == 0 ? (int)abi_openat2(AT_FDCWD, path, &how) : in_root(child, path);
  if (source < 0) return op->arg[0] == 0 ? -errno : source;
  unsigned flags = clone_flags(op->arg[2] != 0) | ABI_AT_EMPTY_PATH;
  int result = take_mount(child, abi_open_tree(source, "", flags));
  close(source);
  return result;
}

int op_open_tree_slot(struct child *child, const struct plan_op *op) {
  unsigned flags = clone_flags(op->arg[1] != 0) | ABI_AT_EMPTY_PATH;
  return take_mount(child, abi_open_tree(child_slot(child, op, 0), "", flags));
}

int op_take_mount(struct child *child, const struct plan_op *op) {
  return take_mount(child, abi_dup(child_slot(child, op, 0)));
}

/* The kernel's message on the file system at hand ("e cgroup2: Unknown parameter 'x'") becomes the report's text. */
static int mount_failed(struct child *child, int error) {
  ssize_t length = read(child->fs, child->text, sizeof child->text);
  if (length > 2 && child->text[1] == ' ') {
    length -= 2;
    memmove(child->text, child->text + 2, (size_t)length);
  }
  child->text_length = length > 0 ? (uint32_t)length : 0;
  return error;
}

int op_fsopen(struct child *child, const struct plan_op *op) {
  drop_fd(&child->fs);
  child->fs = abi_fsopen(child_string(child, op, 0));
  return result_of(child->fs);
}

int op_fsconfig(struct child *child, const struct plan_op *op) {
  const char *value = plan_optional(&child->plan, op->arg[1]);
  unsigned command = value == NULL ? ABI_FSCONFIG_SET_FLAG : ABI_FSCONFIG_SET_STRING;
  int result = result_of(abi_fsconfig(child->fs, command, child_string(child, op, 0), value));
  return result == 0 ? 0 : mount_failed(child, result);
}

int op_fsmount(struct child *child, const struct plan_op *op) {
  int result = result_of(abi_fsconfig(child->fs, ABI_FSCONFIG_CMD_CREATE, NULL, NULL));
  if (result == 0) result = take_mount(child, abi_fsmount(child->fs, op->arg[0]));
  if (result != 0) return mount_failed(child, result);
  drop_fd(&child->fs);
  return 0;
}

int op_setattr(struct child *child, const struct plan_op *op) { return set_attributes(child->mount, op); }
int op_root_attr(struct child *child, const struct plan_op *op) { return set_attributes(child->root, op); }

int op_root(struct child *child, const struct plan_op *op) {
  if (abi_move_mount(child->mount, AT_FDCWD, child_string(child, op, 0), 0) < 0) return -errno;
  drop_attached(child);
  drop_fd(&child->root);
  child->root = child->mount;
  child->mount = -1;
  return 0;
}

/* The root of the mount namespace that the child has joined. */
int op_own_root(struct child *child, const struct plan_op *op) {
  (void)op;
  drop_fd(&child->root);
  child->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return result_of(child->root);
}

/* Arguments: target, 1 if it may lie on a proc file system. A missing target is made of the kind that the mount has. */
int op_attach(struct child *child, const struct plan_op *op) {
  struct stat top;
  struct statfs fs;
  if (fstat(child->mount, &top) < 0) return -errno;
  const char *path = child_string(child, op, 0);
  int target = in_root_make(child, path, S_ISDIR(top.st_mode) ? S_IFDIR | 0755 : S_IFREG | 0644);
  if (target < 0) return target;
  int result = op->arg[1] ? 0 : result_of(fstatfs(target, &fs));
  if (result == 0 && op->arg[1] == 0 && fs.f_type == ABI_PROC_SUPER_MAGIC) result = -EPERM;
  if (result == 0) result = result_of(abi_move_mount(child->mount, target, "", ABI_MOVE_MOUNT_T_EMPTY_PATH));
  close(target);
  return result == 0 ? keep_attached(child, path, &child->mount) : result;
}

/* Arguments: path, MS_* flags, data. The kernel takes a path only: that of the descriptor, which leads nowhere else. */
int op_remount(struct child *child, const struct plan_op *op) {
  char path[32];
  int target = in_root(child, child_string(child, op, 0));
  if (target < 0) return target;
  snprintf(path, sizeof path, "/proc/self/fd/%d", target);
  int result = result_of(mount(NULL, path, NULL, MS_REMOUNT | op->arg[1], child_string(child, op, 2)));
  close(target);
  return result;
}

/* Where pivot_root can't (the root of the guest is its initramfs): move the mount over "/" and go in. */
static int move_root(void) {
  if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) return -errno;
  return result_of(chdir("/"));
}

int op_pivot(struct child *child, const struct plan_op *op) {
  (void)op;
  int result = 0;
  drop_attached(child);
  int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old < 0 || fchdir(child->root) < 0) goto fail;
  if (syscall(SYS_pivot_root, ".", ".") < 0) {
    if (errno != EINVAL) goto fail;
    result = move_root();
    goto out;
  }
  /* The old root lies on top of the new one now: leave it without a trace in the namespaces that share it. */
  if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0) goto fail;
  if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) goto fail;
  goto out;
fail:
  result = -errno;
out:
  drop_fd(&old);
  return result;
}
