/* Prints the results of a list of system calls, each made in its own child: a killed one ends nothing else. */
#include "put.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P(pointer) ((long)(pointer))

static const struct call {
  const char *name;
  long number, args[6];
} calls[] = {
    {"mount tmpfs", SYS_mount, {P("x"), P("/proc"), P("tmpfs"), 0, 0}},
    {"umount /proc", SYS_umount2, {P("/proc"), MNT_DETACH | 8}},
    {"pivot_root", SYS_pivot_root, {P("/nothing"), P("/nothing")}},
    {"chroot", SYS_chroot, {P("/")}},
    {"sethostname", SYS_sethostname, {0, 1000}},
    {"setdomainname", SYS_setdomainname, {0, 1000}},
    {"socket inet", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socket unix", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
    {"socket vsock", SYS_socket, {40, SOCK_STREAM, 0}},
    {"socket packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"socket netlink", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}},
    {"setns", SYS_setns, {-1, 0}},
    {"unshare user", SYS_unshare, {CLONE_NEWUSER}},
    {"unshare net", SYS_unshare, {CLONE_NEWNET}},
    {"unshare nothing", SYS_unshare, {0}},
    {"bpf", SYS_bpf, {5, 0, 0}},
    {"keyctl", SYS_keyctl, {0, -3, 0}},
    {"add_key", SYS_add_key, {P("user"), P("x"), P("x"), 1, -3}},
    {"perf_event_open", SYS_perf_event_open, {0, 0, -1, -1, 0}},
    {"userfaultfd", SYS_userfaultfd, {0}},
    {"ptrace", SYS_ptrace, {PTRACE_PEEKDATA, 1, 0, 0}},
    {"process_vm_readv", SYS_process_vm_readv, {1, 0, 0, 0, 0, 0}},
    {"open_by_handle_at", SYS_open_by_handle_at, {-1, 0, 0}},
    {"reboot", SYS_reboot, {0, 0, 0, 0}},
    {"init_module", SYS_init_module, {0, 0, P("")}},
    {"delete_module", SYS_delete_module, {P(""), 0}},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, 0}},
    {"swapon", SYS_swapon, {P("/nothing"), 0}},
    {"acct", SYS_acct, {P("/nothing")}},
    {"syslog", SYS_syslog, {10, 0, 0}},
    {"settimeofday", SYS_settimeofday, {1, 0}},
    {"open /dev/kmsg", SYS_openat, {AT_FDCWD, P("/dev/kmsg"), O_RDONLY | O_NONBLOCK, 0}},
    {"write /", SYS_mkdirat, {AT_FDCWD, P("/probe-directory"), 0700}},
    {"write /dev/shm", SYS_mkdirat, {AT_FDCWD, P("/dev/shm/probe-directory"), 0700}},
    {"write /proc/sys", SYS_openat, {AT_FDCWD, P("/proc/sys/kernel/hostname"), O_WRONLY, 0}},
    {"setuid 1", SYS_setuid, {1}},
    {"setgid 1", SYS_setgid, {1}},
    {"chown", SYS_fchownat, {AT_FDCWD, P("/log"), 1, 1, 0}},
    {"kill 1 with nothing", SYS_kill, {1, 0}},
    {"nice", SYS_setpriority, {0, 0, -5}},
    {"getpriority process", SYS_getpriority, {0, 0}},
    {"getpriority group", SYS_getpriority, {1, 0}},
    {"getpriority user", SYS_getpriority, {2, 0}},
    {"sync_file_range 5", SYS_sync_file_range, {-1, 5, 0, 0}},
    {"sync_file_range 2^40+5", SYS_sync_file_range, {-1, (1L << 40) + 5, 0, 0}},
    {"getegid", SYS_getegid, {0}},
    {"getitimer", SYS_getitimer, {1, 0}},
    {"sysinfo", SYS_sysinfo, {0}},
    {"times", SYS_times, {0}},
    {"sched_yield", SYS_sched_yield, {0}},
    {"getrandom", SYS_getrandom, {0, 0, 0}},
    {"personality", SYS_personality, {0xffffffff}},
};

/* Prints a child's result from its exit status: 0 is success, otherwise the errno. */
static void put_outcome(const char *name, pid_t child) {
  int status = 0;
  char text[32];
  if (child < 0 || waitpid(child, &status, 0) < 0) {
    put("call", name, strerror(errno));
  } else if (WIFSIGNALED(status)) {
    snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
    put("call", name, text);
  } else {
    put("call", name, WEXITSTATUS(status) == 0 ? "ok" : strerror(WEXITSTATUS(status)));
  }
}

#ifdef __x86_64__
/* Calls getpid as i386 does, for filters of several architectures. Fails with SIGSEGV on a kernel without i386. */
static void call_as_i386(void) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
  _exit(result < 0 ? -result : 0);
}

/* Calls getpid by its x32 number. */
static void call_as_x32(void) { _exit(syscall(0x40000000 + SYS_getpid) < 0 ? errno : 0); }
#endif

static void see_call(const char *name, void (*call)(void)) {
  pid_t child = fork();
  if (child == 0) {
    call();
    _exit(0);
  }
  put_outcome(name, child);
}

void see_calls(void) {
  for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
    const long *a = calls[i].args;
    pid_t child = fork();
    if (child == 0) _exit(syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0);
    put_outcome(calls[i].name, child);
  }
  rmdir("/probe-directory");
  rmdir("/dev/shm/probe-directory");
#ifdef __x86_64__
  see_call("as i386", call_as_i386);
  see_call("as x32", call_as_x32);
#else
  (void)see_call;
#endif
}
