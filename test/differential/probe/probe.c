/*
 * Prints what a process sees in a container, as lines "section<TAB>key<TAB>value" with C escapes, in the same order
 * every time. Static, to run in any rootfs. With the arguments "hook KIND FILE …" it runs as a hook; with "stay" it
 * waits for a signal.
 */
#include "put.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const char *const sysctls[] = {
    "kernel/hostname",      "kernel/domainname",
    "kernel/msgmax",        "kernel/msgmnb",
    "kernel/msgmni",        "kernel/sem",
    "kernel/shmall",        "kernel/shmmax",
    "kernel/shmmni",        "kernel/shm_rmid_forced",
    "fs/mqueue/msg_max",    "fs/mqueue/msgsize_max",
    "fs/mqueue/queues_max", "net/ipv4/ip_forward",
    "net/core/somaxconn",   "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/ping_group_range",
};

static const char *const files[] = {"oom_score_adj", "cgroup",           "uid_map",        "gid_map",      "setgroups",
                                    "loginuid",      "coredump_filter",  "timens_offsets", "attr/current", "comm",
                                    "sessionid",     "timerslack_ns",    "personality"};

/* All output is written at once, because each write may become a call of the host. */
static char output[256 * 1024];

int main(int count, char **args) {
  char path[128];
  if (count > 3 && strcmp(args[1], "hook") == 0) return see_hook(args[2], args[3], args + 4);
  if (count == 2 && strcmp(args[1], "version") == 0) return 0;
  if (count == 2 && strcmp(args[1], "stay") == 0) return pause();
  setvbuf(stdout, output, _IOFBF, sizeof output);
  see_descriptors();
  for (int i = 0; i < count; i++) put("argument", "", args[i]);
  for (char **entry = environ; *entry != NULL; entry++) put("env", "", *entry);
  see_identity();
  see_clocks();
  put_lines("status", "/proc/self/status", true);
  put_lines("limits", "/proc/self/limits", false);
  put_lines("mountinfo", "/proc/self/mountinfo", false);
  see_namespaces("ns");
  for (unsigned i = 0; i < sizeof sysctls / sizeof *sysctls; i++) {
    snprintf(path, sizeof path, "/proc/sys/%s", sysctls[i]);
    put_file("sysctl", sysctls[i], path);
  }
  for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "/proc/self/%s", files[i]);
    put_file("file", files[i], path);
  }
  see_nodes("dev", "/dev", 2);
  see_nodes("root", "/", 0);
  see_nodes("tree", "/full", 2);
  see_nodes("tree", "/made", 3);
  see_nodes("tree", "/mnt", 3);
  see_nodes("sys", "/sys", 0);
  see_files("cgroup", "/sys/fs/cgroup");
  see_devices();
  see_calls();
  put("end", "", "");
  return fflush(stdout) == 0 ? 0 : 1;
}
