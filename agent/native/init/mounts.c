#include "prepare.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { RAMFS = 0x858458f6, TMPFS = 0x01021994 }; /* magic numbers */
enum { SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC };

struct base_mount {
  const char *type, *target;
  unsigned long flags;
  const char *data;
};

static const struct base_mount KERNEL_MOUNTS[] = {
    {"proc", "/proc", SAFE, NULL},
    {"sysfs", "/sys", SAFE, NULL},
};
static const struct base_mount DEVICES = {"devtmpfs", "/dev", MS_NOSUID, "mode=755"};
static const struct base_mount TEST_DEVICES = {"tmpfs", "/dev", MS_NOSUID, "mode=755"};
static const struct base_mount BASE_MOUNTS[] = {
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,gid=5,mode=620,ptmxmode=666"},
    /* /run keeps the kernel's default limit of inodes: one for two pages of memory. */
    {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777,size=25%,nr_inodes=4096"},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755,size=50%"},
    /* The agent's state has its own limit: containers can have volumes in /run, and fill it. */
    {"tmpfs", "/run/guestd", MS_NOSUID | MS_NODEV, "mode=700,size=25%"},
    {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777,size=25%,nr_inodes=4096"},
    {"cgroup2", "/sys/fs/cgroup", SAFE, "nsdelegate"},
};
static const char *const LINKS[][2] = {
    {"pts/ptmx", "/dev/ptmx"},          {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
};
static const struct node {
  const char *path;
  unsigned major, minor;
} NODES[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
             {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

static bool is_mounted(const char *path) {
  struct stat self, parent;
  char up[64];
  snprintf(up, sizeof up, "%s/..", path);
  return stat(path, &self) == 0 && stat(up, &parent) == 0 && self.st_dev != parent.st_dev;
}

static void mount_one(const struct base_mount *m, bool always) {
  if (!always && is_mounted(m->target)) return;
  mkdir(m->target, 0755);
  int result = mount(m->type, m->target, m->type, m->flags, m->data);
  /* cgroup2 accepts nsdelegate only in the first cgroup namespace, and older kernels do not know it. */
  if (result < 0 && errno == EINVAL && strcmp(m->type, "cgroup2") == 0) {
    result = mount(m->type, m->target, m->type, m->flags, NULL);
  }
  if (result < 0) say("cannot mount %s on %s: %s", m->type, m->target, strerror(errno));
}

/* The kernel's first pid namespace has a fixed inode number. */
static bool in_first_namespace(void) {
  char link[64] = "";
  return readlink("/proc/self/ns/pid", link, sizeof link - 1) > 0 && strcmp(link, "pid:[4026531836]") == 0;
}

/* pivot_root cannot leave the kernel's own rootfs, so init binds it to a directory and moves that over "/". */
static void leave_rootfs(void) {
  const char *copy = "/newroot";
  struct statfs fs;
  if (statfs("/", &fs) < 0 || (fs.f_type != (long)RAMFS && fs.f_type != (long)TMPFS)) return;
  mkdir(copy, 0755);
  if (mount("/", copy, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(copy) < 0 ||
      mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
    say("cannot mount over the initramfs, so containers cannot pivot_root: %s", strerror(errno));
  }
}

/* For AppArmor's profiles. Not every kernel has this file system. */
static void mount_security(void) {
  int result = mount("securityfs", "/sys/kernel/security", "securityfs", SAFE, NULL);
  if (result < 0 && errno != ENODEV && errno != ENOENT) say("cannot mount securityfs: %s", strerror(errno));
}

static void make_nodes(void) {
  mode_t before = umask(0);
  for (unsigned i = 0; i < sizeof NODES / sizeof *NODES; i++) {
    if (mknod(NODES[i].path, S_IFCHR | 0666, makedev(NODES[i].major, NODES[i].minor)) < 0 && errno != EEXIST) {
      say("cannot create %s: %s", NODES[i].path, strerror(errno));
    }
  }
  umask(before);
}

static void make_links(void) {
  for (unsigned i = 0; i < sizeof LINKS / sizeof *LINKS; i++) {
    if (symlink(LINKS[i][0], LINKS[i][1]) == 0 || errno == EEXIST) continue;
    say("cannot create %s: %s", LINKS[i][1], strerror(errno));
  }
}

void mounts_prepare(struct origin *origin) {
  char self[16] = "";
  bool own_proc = readlink("/proc/self", self, sizeof self - 1) > 0 && strcmp(self, "1") == 0;
  mount_one(&KERNEL_MOUNTS[0], !own_proc);
  origin->foreign = !in_first_namespace();
  mount_one(&KERNEL_MOUNTS[1], origin->foreign);
  if (!origin->foreign) {
    mount_security();
    leave_rootfs();
  }
  mount_one(origin->foreign ? &TEST_DEVICES : &DEVICES, origin->foreign);
  make_nodes();
  for (unsigned i = 0; i < sizeof BASE_MOUNTS / sizeof *BASE_MOUNTS; i++) mount_one(&BASE_MOUNTS[i], origin->foreign);
  make_links();
}
