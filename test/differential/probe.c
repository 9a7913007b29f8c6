/*
 * What a process sees in a container, as lines "section<TAB>key<TAB>value" with C escapes, in an order that does not
 * change from run to run. Static, so that any rootfs will do. No argument.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

static void put(const char *section, const char *key, const char *value) {
  printf("%s\t%s\t", section, key);
  for (; *value != '\0'; value++) {
    unsigned char c = (unsigned char)*value;
    if (c == '\n')
      fputs("\\n", stdout);
    else if (c == '\t')
      fputs("\\t", stdout);
    else if (c == '\\')
      fputs("\\\\", stdout);
    else if (c < ' ' || c > '~')
      printf("\\x%02x", c);
    else
      putchar(c);
  }
  putchar('\n');
}

static void put_number(const char *section, const char *key, long long value) {
  char text[32];
  snprintf(text, sizeof text, "%lld", value);
  put(section, key, text);
}

static void put_result(const char *section, const char *key, long result) {
  put(section, key, result < 0 ? strerror(errno) : "ok");
}

/* The whole file as a value, or why it can't be read. */
static void put_file(const char *section, const char *path) {
  static char text[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    put(section, path, strerror(errno));
    return;
  }
  ssize_t length = 0, got;
  while ((got = read(fd, text + length, sizeof text - 1 - (size_t)length)) > 0) length += got;
  text[got < 0 ? 0 : length] = '\0';
  put(section, path, got < 0 ? strerror(errno) : text);
  close(fd);
}

/* Each line of a file as a value under its number, or under its first word for files like status. */
static void put_lines(const char *section, const char *path, bool by_word) {
  char line[4096], key[64];
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    put(section, path, strerror(errno));
    return;
  }
  for (int number = 0; fgets(line, sizeof line, file) != NULL; number++) {
    line[strcspn(line, "\n")] = '\0';
    snprintf(key, sizeof key, "%03d", number);
    char *colon = by_word ? strchr(line, ':') : NULL;
    if (colon != NULL) {
      *colon = '\0';
      put(section, line, colon + 1 + strspn(colon + 1, " \t"));
    } else {
      put(section, key, line);
    }
  }
  fclose(file);
}

static void put_node(const char *section, const char *path) {
  struct stat file;
  char text[4352], target[4096] = "";
  if (lstat(path, &file) < 0) {
    put(section, path, strerror(errno));
    return;
  }
  if (S_ISLNK(file.st_mode) && readlink(path, target, sizeof target - 1) < 0) strcpy(target, "?");
  snprintf(text, sizeof text, "mode %o owner %u:%u device %u:%u %s", file.st_mode, file.st_uid, file.st_gid,
           major(file.st_rdev), minor(file.st_rdev), target);
  put(section, path, text);
}

static void walk(const char *section, const char *directory, int depth) {
  struct dirent **names;
  int count = scandir(directory, &names, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char path[4096];
    const char *name = names[i]->d_name;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
      snprintf(path, sizeof path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name);
      put_node(section, path);
      if (names[i]->d_type == DT_DIR && depth > 0) walk(section, path, depth - 1);
    }
    free(names[i]);
  }
  if (count >= 0) free(names);
}

static void descriptors(void) {
  for (int fd = 0; fd < 256; fd++) {
    char path[32], target[4096] = "";
    struct stat file;
    int flags = fcntl(fd, F_GETFD), status = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &file) < 0) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof target - 1) < 0) strcpy(target, "?");
    target[strcspn(target, "[")] = '\0'; /* the number of a pipe says nothing */
    char text[4352], key[16];
    snprintf(key, sizeof key, "%d", fd);
    snprintf(text, sizeof text, "%s mode %o owner %u:%u flags %x %x", target, file.st_mode, file.st_uid, file.st_gid,
             (unsigned)flags, (unsigned)status);
    put("fd", key, text);
  }
}

static void namespaces(void) {
  static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64], link[128] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
    if (readlink(path, link, sizeof link - 1) < 0) strcpy(link, strerror(errno));
    put("ns", names[i], link);
  }
}

static void identity(void) {
  gid_t groups[256];
  struct utsname uts;
  char text[4096] = "", directory[4096] = "";
  int count = getgroups(256, groups);
  for (int i = 0; i < count; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", groups[i]);
  put("id", "groups", text);
  put("id", "cwd", getcwd(directory, sizeof directory) == NULL ? strerror(errno) : directory);
  uname(&uts);
  put("id", "hostname", uts.nodename);
  put("id", "domainname", uts.domainname);
  put("id", "machine", uts.machine);
  mode_t mask = umask(0);
  umask(mask);
  put_number("id", "umask", mask);
  put_number("id", "sid is pid", getsid(0) == getpid());
  put_number("id", "pgid is pid", getpgid(0) == getpid());
  put_number("id", "pid", getpid());
  put_number("id", "ppid", getppid());
  put_number("id", "personality", personality(0xffffffff));
  put_number("id", "scheduler", syscall(SYS_sched_getscheduler, 0));
  put_number("id", "nice", getpriority(PRIO_PROCESS, 0));
  put_number("id", "ioprio", syscall(SYS_ioprio_get, 1, 0));
  put_number("id", "dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  put_number("id", "keepcaps", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  put_number("id", "securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  int death_signal = 0, subreaper = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
  put_number("id", "pdeathsig", death_signal);
  put_number("id", "subreaper", subreaper);
  put_number("id", "tty", isatty(0) * 4 + isatty(1) * 2 + isatty(2));
}

/* What is tried changes nothing that is looked at later. */
static void calls(void) {
  put_result("call", "mount tmpfs", mount("x", "/proc", "tmpfs", 0, NULL));
  put_result("call", "umount /proc", umount2("/proc", MNT_DETACH | 8));
  put_result("call", "chroot", chroot("/"));
  put_result("call", "mknod", mknod("/dev/probe-node", S_IFCHR | 0600, makedev(1, 3)));
  unlink("/dev/probe-node");
  put_result("call", "socket vsock", socket(40, SOCK_STREAM, 0));
  put_result("call", "socket packet", socket(AF_PACKET, SOCK_RAW, 0));
  put_result("call", "socket netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  put_result("call", "sethostname", sethostname("probe", 5));
  put_result("call", "setns", syscall(SYS_setns, -1, 0));
  put_result("call", "bpf", syscall(SYS_bpf, 5, NULL, 0));
  put_result("call", "keyctl", syscall(SYS_keyctl, 0, -3, 0));
  put_result("call", "add_key", syscall(SYS_add_key, "user", "x", "x", 1, -3));
  put_result("call", "perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
  put_result("call", "userfaultfd", syscall(SYS_userfaultfd, 0));
  put_result("call", "ptrace", ptrace(PTRACE_PEEKDATA, 1, NULL, NULL));
  put_result("call", "open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
  put_result("call", "reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
  put_result("call", "init_module", syscall(SYS_init_module, NULL, 0, ""));
  put_result("call", "kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
  put_result("call", "open /dev/kmsg", open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  put_result("call", "write /", open("/probe-file", O_CREAT | O_WRONLY, 0600));
  unlink("/probe-file");
  put_result("call", "unshare user", unshare(CLONE_NEWUSER)); /* the last: it changes what this process may do */
}

int main(void) {
  static const char *const sysctls[] = {
      "/proc/sys/kernel/hostname",
      "/proc/sys/kernel/domainname",
      "/proc/sys/kernel/msgmax",
      "/proc/sys/kernel/sem",
      "/proc/sys/kernel/shmmax",
      "/proc/sys/fs/mqueue/msg_max",
      "/proc/sys/net/ipv4/ip_forward",
      "/proc/sys/net/ipv4/ip_unprivileged_port_start",
      "/proc/sys/net/ipv4/ping_group_range",
      "/proc/sys/net/core/somaxconn",
  };
  static const char *const files[] = {
      "/proc/self/oom_score_adj", "/proc/self/cgroup",   "/proc/self/uid_map",         "/proc/self/gid_map",
      "/proc/self/setgroups",     "/proc/self/loginuid", "/proc/self/coredump_filter", "/proc/self/timens_offsets",
      "/proc/self/attr/current",  "/proc/self/comm"};
  descriptors();
  identity();
  put_lines("status", "/proc/self/status", true);
  put_lines("limits", "/proc/self/limits", false);
  put_lines("mountinfo", "/proc/self/mountinfo", false);
  namespaces();
  for (char **entry = environ; *entry != NULL; entry++) put("env", "", *entry);
  for (unsigned i = 0; i < sizeof sysctls / sizeof *sysctls; i++) put_file("sysctl", sysctls[i]);
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) put_file("file", files[i]);
  walk("dev", "/dev", 2);
  walk("root", "/", 0);
  walk("cgroup", "/sys/fs/cgroup", 0);
  calls();
  fflush(stdout);
  return 0;
}
