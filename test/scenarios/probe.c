/*
 * Makes system calls and prints their results. `probe NAME,ARGUMENT,… …` prints a line "NAME RESULT" for each call; the
 * result is "ok", an errno, or "signal N". Each call runs in its own child. `probe bomb` forks without end, as do its
 * children. `probe huge MIB…` maps that many MiB of huge pages, one size after the other, writes to them, prints "MIB
 * ok" or the errno, and holds them until it is killed. `probe signals` prints "ready", then the number of each
 * real-time signal as often as it arrives, until its stdin ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 128 };

/* Calls getpid through the entry of 32-bit programs, which have their own call numbers. */
static long ia32_getpid(void) {
#ifdef __x86_64__
  long result = 20;
  __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
  if (result < 0) errno = (int)-result;
  return result < 0 ? -1 : result;
#else
  errno = ENOSYS;
  return -1;
#endif
}

/* Fails with ERANGE for a pipe of another size. */
static long pipe_size(int fd, long expected) {
  long size = fcntl(fd, F_GETPIPE_SZ);
  if (size >= 0 && size != expected) errno = ERANGE;
  return size == expected ? 0 : -1;
}

static const struct {
  const char *name;
  long number;
} CALLS[] = {
    {"acct", SYS_acct},
    {"add_key", SYS_add_key},
    {"bpf", SYS_bpf},
    {"chroot", SYS_chroot},
    {"clock_settime", SYS_clock_settime},
    {"clone3", SYS_clone3},
    {"delete_module", SYS_delete_module},
    {"fanotify_init", SYS_fanotify_init},
    {"finit_module", SYS_finit_module},
    {"fsconfig", SYS_fsconfig},
    {"fsmount", SYS_fsmount},
    {"fsopen", SYS_fsopen},
    {"fspick", SYS_fspick},
    {"get_mempolicy", SYS_get_mempolicy},
    {"getpriority", SYS_getpriority},
    {"init_module", SYS_init_module},
    {"io_uring_enter", SYS_io_uring_enter},
    {"io_uring_register", SYS_io_uring_register},
    {"io_uring_setup", SYS_io_uring_setup},
    {"kcmp", SYS_kcmp},
    {"kexec_load", SYS_kexec_load},
    {"keyctl", SYS_keyctl},
    {"mbind", SYS_mbind},
    {"migrate_pages", SYS_migrate_pages},
    {"mkdirat", SYS_mkdirat},
    {"mount", SYS_mount},
    {"mount_setattr", SYS_mount_setattr},
    {"move_mount", SYS_move_mount},
    {"move_pages", SYS_move_pages},
    {"open_by_handle_at", SYS_open_by_handle_at},
    {"open_tree", SYS_open_tree},
    {"perf_event_open", SYS_perf_event_open},
    {"personality", SYS_personality},
    {"pidfd_getfd", SYS_pidfd_getfd},
    {"pivot_root", SYS_pivot_root},
    {"process_madvise", SYS_process_madvise},
    {"ptrace", SYS_ptrace},
    {"quotactl", SYS_quotactl},
    {"reboot", SYS_reboot},
    {"request_key", SYS_request_key},
    {"set_mempolicy", SYS_set_mempolicy},
    {"setdomainname", SYS_setdomainname},
    {"sethostname", SYS_sethostname},
    {"setns", SYS_setns},
    {"settimeofday", SYS_settimeofday},
    {"socket", SYS_socket},
    {"swapoff", SYS_swapoff},
    {"swapon", SYS_swapon},
    {"syslog", SYS_syslog},
    {"umask", SYS_umask},
    {"umount2", SYS_umount2},
    {"unshare", SYS_unshare},
    {"userfaultfd", SYS_userfaultfd},
    {"vhangup", SYS_vhangup},
#ifdef __x86_64__
    {"_sysctl", SYS__sysctl},
    {"create_module", SYS_create_module},
    {"get_kernel_syms", SYS_get_kernel_syms},
    {"ioperm", SYS_ioperm},
    {"iopl", SYS_iopl},
    {"kexec_file_load", SYS_kexec_file_load},
    {"lookup_dcookie", SYS_lookup_dcookie},
    {"nfsservctl", SYS_nfsservctl},
    {"query_module", SYS_query_module},
    {"sysfs", SYS_sysfs},
    {"uselib", SYS_uselib},
    {"ustat", SYS_ustat},
#endif
};

static long make(const char *name, const long *args) {
  if (strcmp(name, "ia32_getpid") == 0) return ia32_getpid();
  if (strcmp(name, "pipe_size") == 0) return pipe_size((int)args[0], args[1]);
  for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
    if (strcmp(name, CALLS[i].name) == 0) {
      return syscall(CALLS[i].number, args[0], args[1], args[2], args[3], args[4], args[5]);
    }
  }
  _exit(255);
}

static void probe(char *request) {
  long args[6] = {0};
  char *name = strtok(request, ",");
  for (int i = 0; i < 6; i++) {
    char *text = strtok(NULL, ",");
    if (text == NULL) break;
    args[i] = (long)strtoull(text, NULL, 0);
  }
  int status;
  pid_t child = fork();
  if (child == 0) _exit(make(name, args) == -1 ? errno : 0);
  waitpid(child, &status, 0);
  char line[LINE];
  int length;
  if (WIFSIGNALED(status)) length = snprintf(line, LINE, "%s signal %d\n", name, WTERMSIG(status));
  else if (WEXITSTATUS(status) == 0) length = snprintf(line, LINE, "%s ok\n", name);
  else length = snprintf(line, LINE, "%s %d\n", name, WEXITSTATUS(status));
  if (write(STDOUT_FILENO, line, (size_t)length) < 0) _exit(1);
}

static void hold_huge_pages(char **sizes) {
  for (; *sizes != NULL; sizes++) {
    size_t size = strtoul(*sizes, NULL, 10) << 20;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (pages == MAP_FAILED) {
      printf("%s %d\n", *sizes, errno);
    } else {
      memset(pages, 1, size);
      printf("%s ok\n", *sizes);
    }
  }
  fflush(stdout);
  for (;;) pause();
}

/* Prints each real-time signal. The kernel queues every one, so simultaneous ones aren't merged. */
static void count_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  for (int number = SIGRTMIN; number <= SIGRTMAX; number++) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, NULL);
  struct pollfd watched[] = {{.fd = signalfd(-1, &set, SFD_NONBLOCK), .events = POLLIN}, {.events = POLLIN}};
  printf("ready\n");
  do {
    fflush(stdout);
    poll(watched, sizeof watched / sizeof *watched, -1);
    struct signalfd_siginfo info;
    while (read(watched[0].fd, &info, sizeof info) == sizeof info) printf("%u\n", info.ssi_signo);
  } while (watched[1].revents == 0);
  exit(0);
}

int main(int count, char **requests) {
  if (count > 2 && strcmp(requests[1], "huge") == 0) hold_huge_pages(requests + 2);
  if (count == 2 && strcmp(requests[1], "signals") == 0) count_signals();
  while (count == 2 && strcmp(requests[1], "bomb") == 0) fork();
  for (int i = 1; i < count; i++) probe(requests[i]);
  return 0;
}
