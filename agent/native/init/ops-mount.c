/* Operations on mounts. The mount register holds the detached mount created last. */
#include "child.h"
#include "../common/linux-abi.h"
#include <fcntl.h>
#include <stdio.h>
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

OPERATION(propagate) { return result_of(mount(NULL, child_string(child, op, 0), NULL, op->arg[1], NULL)); }

static unsigned clone_flags(bool recursive) { return ABI_OPEN_TREE_CLONE | (recursive ? ABI_AT_RECURSIVE : 0); }

/* Arguments: 1 for a path in the root register, path, recursive. A path of the guest must have no links: -ELOOP. */
OPERATION(open_tree) {
  const char *path = child_string(child, op, 1);
  struct abi_open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = ABI_RESOLVE_NO_SYMLINKS};
  int source = op->arg[0] == 0 ? (int)abi_openat2(AT_FDCWD, path, &how) : in_root(child, path);
  if (source < 0) return op->arg[0] == 0 ? -errno : source;
  unsigned flags = clone_flags(op->arg[2] != 0) | ABI_AT_EMPTY_PATH;
  int result = take_mount(child, abi_open_tree(source, "", flags));
  close(source);
  return result;
}

OPERATION(open_tree_slot) {
  unsigned flags = clone_flags(op->arg[1] != 0) | ABI_AT_EMPTY_PATH;
  return take_mount(child, abi_open_tree(child_slot(child, op, 0), "", flags));
}

OPERATION(take_mount) { return take_mount(child, abi_dup(child_slot(child, op, 0))); }

/* Copies the kernel's message on this file system ("e cgroup2: Unknown parameter 'x'") into the report. */
static int mount_failed(struct child *child, int error) {
  ssize_t length = read(child->fs, child->text, sizeof child->text);
  if (length > 2 && child->text[1] == ' ') {
    length -= 2;
    memmove(child->text, child->text + 2, (size_t)length);
  }
  child->text_length = length > 0 ? (uint32_t)length : 0;
  return error;
}

OPERATION(fsopen) {
  drop_fd(&child->fs);
  child->fs = abi_fsopen(child_string(child, op, 0));
  return result_of(child->fs);
}

OPERATION(fsconfig) {
  const char *value = plan_optional(&child->plan, op->arg[1]);
  unsigned command = value == NULL ? ABI_FSCONFIG_SET_FLAG : ABI_FSCONFIG_SET_STRING;
  int result = result_of(abi_fsconfig(child->fs, command, child_string(child, op, 0), value));
  return result == 0 ? 0 : mount_failed(child, result);
}

OPERATION(fsmount) {
  int result = result_of(abi_fsconfig(child->fs, ABI_FSCONFIG_CMD_CREATE, NULL, NULL));
  if (result == 0) result = take_mount(child, abi_fsmount(child->fs, op->arg[0]));
  if (result != 0) return mount_failed(child, result);
  drop_fd(&child->fs);
  return 0;
}

OPERATION(setattr) { return set_attributes(child->mount, op); }
OPERATION(root_attr) { return set_attributes(child->root, op); }

OPERATION(root) {
  if (abi_move_mount(child->mount, AT_FDCWD, child_string(child, op, 0), 0) < 0) return -errno;
  drop_attached(child);
  drop_fd(&child->root);
  child->root = child->mount;
  child->mount = -1;
  return 0;
}

/* Uses the root of the mount namespace that the child has joined. */
OPERATION(own_root) {
  drop_fd(&child->root);
  child->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return result_of(child->root);
}

/* Arguments: target, 1 to allow a target on proc. A missing target is created with the type of the mount's root. */
OPERATION(attach) {
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

/* Arguments: path, MS_* flags, data. mount(2) takes only a path, so it gets the one of an open descriptor. */
OPERATION(remount) {
  char path[32];
  int target = in_root(child, child_string(child, op, 0));
  if (target < 0) return target;
  snprintf(path, sizeof path, "/proc/self/fd/%d", target);
  int result = result_of(mount(NULL, path, NULL, MS_REMOUNT | op->arg[1], child_string(child, op, 2)));
  close(target);
  return result;
}

/* For a guest whose root is its initramfs, which pivot_root refuses: moves the mount over "/" and enters it. */
static int move_root(void) {
  if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) return -errno;
  return result_of(chdir("/"));
}

OPERATION(pivot) {
  int result = 0;
  drop_attached(child);
  int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old < 0 || fchdir(child->root) < 0) goto fail;
  if (syscall(SYS_pivot_root, ".", ".") < 0) {
    if (errno != EINVAL) goto fail;
    result = move_root();
    goto out;
  }
  /* The old root is now mounted over the new one; MS_SLAVE keeps its unmount from reaching other namespaces. */
  if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0) goto fail;
  if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) goto fail;
  goto out;
fail:
  result = -errno;
out:
  drop_fd(&old);
  return result;
}
