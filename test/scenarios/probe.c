/*
 * Makes system calls and says what came of each: `probe NAME,ARGUMENT,… …` prints a line "NAME RESULT" for each, the
 * result being "ok", the number of an error, or "signal N". Each is made by a child of its own. `probe bomb` forks, and so
 * do its children, without end. `probe huge MIB…` maps so many MiB of huge pages, one after the other, writes to them, says
 * "MIB ok" or the number of the error, and holds them until it is killed. `probe signals` says "ready", then the number of
 * each real-time signal as often as it gets it, until its stdin ends.
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

/* getpid by the entry of 32-bit programs, which have call numbers of their own. */
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

/* ERANGE for a pipe that has another size. */
static long pipe_size(int fd, long expected) {
  long size = fcntl(fd, F_GETPIPE_SZ);
  if (size >= 0 && size != expected) errno = ERANGE;
  return size == expected ? 0 : -1;
}

static const struct {
  const char *name;
  long number;
} CALLS[] = {
    {"add_key", SYS_add_key},
    {"bpf", SYS_bpf},
    {"clone3", SYS_clone3},
    {"fsopen", SYS_fsopen},
    {"getpriority", SYS_getpriority},
    {"io_uring_setup", SYS_io_uring_setup},
    {"kexec_load", SYS_kexec_load},
    {"keyctl", SYS_keyctl},
    {"mkdirat", SYS_mkdirat},
    {"mount", SYS_mount},
    {"open_by_handle_at", SYS_open_by_handle_at},
    {"perf_event_open", SYS_perf_event_open},
    {"personality", SYS_personality},
    {"ptrace", SYS_ptrace},
    {"reboot", SYS_reboot},
    {"settimeofday", SYS_settimeofday},
    {"socket", SYS_socket},
    {"swapon", SYS_swapon},
    {"umask", SYS_umask},
    {"unshare", SYS_unshare},
    {"userfaultfd", SYS_userfaultfd},
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

/* The kernel keeps each real-time signal that is sent, so those that come at once are not counted as one. */
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
