/*
 * System calls, structures and constants that musl's headers lack. The call numbers are the same on x86_64 and arm64.
 * Each abi_ function is one system call: a result, or -1 and errno.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  NR_open_tree = 428,
  NR_move_mount = 429,
  NR_fsopen = 430,
  NR_fsconfig = 431,
  NR_fsmount = 432,
  NR_pidfd_open = 434,
  NR_clone3 = 435,
  NR_close_range = 436,
  NR_openat2 = 437,
  NR_faccessat2 = 439,
  NR_mount_setattr = 442,
};

enum {
  ABI_AT_EMPTY_PATH = 0x1000,
  ABI_AT_EACCESS = 0x200,
  ABI_AT_RECURSIVE = 0x8000,
  ABI_OPEN_TREE_CLONE = 1,
  ABI_OPEN_TREE_CLOEXEC = 02000000,
  ABI_KEYCTL_JOIN_SESSION_KEYRING = 1,
  ABI_FSOPEN_CLOEXEC = 1,
  ABI_FSMOUNT_CLOEXEC = 1,
  ABI_FSCONFIG_SET_FLAG = 0,
  ABI_FSCONFIG_SET_STRING = 1,
  ABI_FSCONFIG_CMD_CREATE = 6,
  ABI_MOVE_MOUNT_F_EMPTY_PATH = 0x04,
  ABI_MOVE_MOUNT_T_EMPTY_PATH = 0x40,
  ABI_MOUNT_ATTR_RDONLY = 0x01,
  ABI_MOUNT_ATTR_NOSUID = 0x02,
  ABI_MOUNT_ATTR_NODEV = 0x04,
  ABI_MOUNT_ATTR_NOEXEC = 0x08,
  ABI_RESOLVE_NO_XDEV = 0x01,
  ABI_RESOLVE_NO_MAGICLINKS = 0x02,
  ABI_RESOLVE_NO_SYMLINKS = 0x04,
  ABI_RESOLVE_BENEATH = 0x08,
  ABI_RESOLVE_IN_ROOT = 0x10,
  ABI_PROC_SUPER_MAGIC = 0x9fa0,
  ABI_CLONE_PIDFD = 0x1000,
  ABI_CLONE_NEWPID = 0x20000000,
};
#define ABI_CLONE_INTO_CGROUP 0x200000000ULL

struct abi_clone_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* capget(2) and capset(2) on the calling process; each set comes in two halves of 32 bits. */
struct abi_cap_header {
  uint32_t version;
  int pid;
};
struct abi_cap_half {
  uint32_t effective, permitted, inheritable;
};
enum { ABI_CAP_VERSION = 0x20080522 };

struct abi_open_how {
  uint64_t flags, mode, resolve;
};

struct abi_mount_attr {
  uint64_t set, clear, propagation, userns_fd;
};

static inline int abi_pidfd_open(pid_t pid) { return (int)syscall(NR_pidfd_open, pid, 0); }

/* struct sock_filter and struct sock_fprog. */
struct abi_instruction {
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t value;
};
struct abi_program {
  uint16_t length;
  const struct abi_instruction *instructions;
};
enum { ABI_SECCOMP_SET_MODE_FILTER = 1 };

static inline int abi_open_tree(int dir, const char *path, unsigned flags) {
  return (int)syscall(NR_open_tree, dir, path, flags | ABI_OPEN_TREE_CLOEXEC);
}
static inline int abi_move_mount(int from, int to_dir, const char *to, unsigned flags) {
  return (int)syscall(NR_move_mount, from, "", to_dir, to, flags | ABI_MOVE_MOUNT_F_EMPTY_PATH);
}
static inline int abi_fsopen(const char *type) { return (int)syscall(NR_fsopen, type, ABI_FSOPEN_CLOEXEC); }
static inline int abi_fsconfig(int fs, unsigned command, const char *key, const char *value) {
  return (int)syscall(NR_fsconfig, fs, command, key, value, 0);
}
static inline int abi_fsmount(int fs, unsigned attributes) {
  return (int)syscall(NR_fsmount, fs, ABI_FSMOUNT_CLOEXEC, attributes);
}
static inline int abi_close_range(unsigned first, unsigned last) {
  return (int)syscall(NR_close_range, first, last, 0);
}
static inline int abi_openat2(int dir, const char *path, const struct abi_open_how *how) {
  return (int)syscall(NR_openat2, dir, path, how, sizeof *how);
}
/*
 * With ".." in the path, a rename or mount anywhere in the system fails the call with EAGAIN. The retries are bounded: whoever
 * keeps renaming fails only calls on its own files.
 */
static inline int abi_openat2_retried(int dir, const char *path, const struct abi_open_how *how) {
  int fd = -1;
  for (unsigned tries = 0; tries < 1000; tries++) {
    fd = abi_openat2(dir, path, how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return fd;
}
/* Copies a descriptor, above the standard ones. Not by fcntl(3), as musl's makes a second call. */
static inline int abi_dup(int fd) { return (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3); }
static inline int abi_faccessat2(int dir, const char *path, int mode, int flags) {
  return (int)syscall(NR_faccessat2, dir, path, mode, flags);
}
static inline int abi_mount_setattr(int mount, unsigned flags, const struct abi_mount_attr *attr) {
  return (int)syscall(NR_mount_setattr, mount, "", flags | ABI_AT_EMPTY_PATH, attr, sizeof *attr);
}
/* Returns 0 in the child. */
static inline pid_t abi_clone3(const struct abi_clone_args *args) {
  return (pid_t)syscall(NR_clone3, args, sizeof *args);
}

/* The beginning of struct statx, which is 256 bytes long. */
struct abi_time {
  int64_t seconds;
  uint32_t nanoseconds, unused;
};
struct abi_statx {
  uint32_t mask, block_bytes;
  uint64_t attributes;
  uint32_t nlink, uid, gid;
  uint16_t mode, unused;
  uint64_t ino, size, blocks, attributes_mask;
  struct abi_time atime, btime, ctime, mtime;
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  uint64_t mount;
  uint64_t rest[13];
};
_Static_assert(sizeof(struct abi_statx) == 256, "as the kernel writes it");
enum { ABI_STATX_TYPE = 1, ABI_STATX_BASIC = 0x7ff, ABI_STATX_MOUNT = 0x1000 };
enum { ABI_AT_STATX_DONT_SYNC = 0x4000 };
/* Asks for the mount alone without asking the file system, which may be another party's. */
static inline int abi_statx(int fd, unsigned mask, struct abi_statx *into) {
  int flags = ABI_AT_EMPTY_PATH | (mask == ABI_STATX_MOUNT ? ABI_AT_STATX_DONT_SYNC : 0);
  return (int)syscall(SYS_statx, fd, "", flags, mask, into);
}
