/*
 * Runs a program of a guest on the host, and can outlive the process that started it:
 *
 *   monitor [-c CGROUP] [-f FILES] [-k CAPABILITIES] PLACE OUTPUT COMMAND [ARGUMENT...]
 *
 * PLACE.pid gets the program's pid, OUTPUT what it prints, PLACE.err its errors, and PLACE.end "exit CODE" or "signal NUMBER"
 * once it has ended. A file that has grown to its limit is renamed to FILE.1. The program ends with this process, and this
 * process with its parent, unless SIGUSR1 has released it, which PLACE.released confirms. SIGTERM is passed on to the program; SIGQUIT kills it. The program
 * gains no privileges by what it executes. It runs in the cgroup, and opens no more files than given; this process, which has to
 * say how it ended, stays outside. The program keeps at most the given capabilities, a mask in hexadecimal digits.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/linux-abi.h"

enum { CANT_RUN = 126, NOT_FOUND = 127, PRINTED = 8 << 20, ERRORS = 64 << 10 };

/* A pipe from the program and the file for what it brings. `from` is -1 after its end, `to` while the file can't be opened. */
struct output {
  int from, to;
  char path[PATH_MAX];
  off_t size, limit;
};

static int fail(const char *what, const char *name) {
  dprintf(STDERR_FILENO, "monitor: %s %s: %s\n", what, name, strerror(errno));
  return CANT_RUN;
}

static void open_file(struct output *output) {
  struct stat file;
  output->to = open(output->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  output->size = output->to >= 0 && fstat(output->to, &file) == 0 ? file.st_size : 0;
}

static void turn_over(struct output *output) {
  char older[PATH_MAX + 2];
  snprintf(older, sizeof older, "%s.1", output->path);
  rename(output->path, older);
  close(output->to);
  open_file(output);
}

/* Copies what is in the pipe. On a full disk it is lost: the program must not wait for it. */
static void move(struct output *output) {
  char bytes[64 << 10];
  ssize_t count = read(output->from, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) {
    close(output->from);
    output->from = -1;
    return;
  }
  if (output->to < 0) open_file(output);
  if (output->size >= output->limit) turn_over(output);
  ssize_t written = write(output->to, bytes, (size_t)count);
  if (written > 0) output->size += written;
}

/* Replaces a file by a line, so that it is there whole or not at all. */
static int write_line(const char *place, const char *ending, const char *line) {
  char path[PATH_MAX], fresh[PATH_MAX + 4];
  snprintf(path, sizeof path, "%s.%s", place, ending);
  snprintf(fresh, sizeof fresh, "%s.new", path);
  int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return -1;
  ssize_t written = write(file, line, strlen(line));
  close(file);
  return written == (ssize_t)strlen(line) ? rename(fresh, path) : -1;
}

/* Limits of the program: the folder of its cgroup, or NULL; its open files, or 0; the capabilities that it may have. */
struct limits {
  const char *cgroup;
  rlim_t files;
  uint64_t capabilities;
};

/* Limits the capabilities that execve leaves the program: root's by the bounding set, those of others by the ambient set. */
static int limit_capabilities(uint64_t keep) {
  struct abi_cap_header header = {.version = ABI_CAP_VERSION};
  struct abi_cap_half halves[2];
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
    if (keep >> cap & 1) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && geteuid() == 0) return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, cap, 0, 0) != 0) return -1;
  }
  if (syscall(SYS_capget, &header, halves) != 0) return -1;
  halves[0].inheritable &= (uint32_t)keep;
  halves[1].inheritable &= (uint32_t)(keep >> 32);
  return (int)syscall(SYS_capset, &header, halves);
}

static int join(const char *cgroup) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/cgroup.procs", cgroup) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int file = open(path, O_WRONLY | O_CLOEXEC);
  return file >= 0 && write(file, "0", 1) == 1 ? close(file) : -1;
}

static void execute(char **command, struct limits limits, pid_t parent, int out, int err, const sigset_t *mask) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(CANT_RUN);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  struct rlimit files;
  if (limits.cgroup != NULL && join(limits.cgroup) != 0) _exit(fail("join the cgroup", limits.cgroup));
  if (limits.files != 0) {
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max > limits.files) files.rlim_max = limits.files;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) _exit(fail("limit the open files of", command[0]));
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(fail("refuse privileges to", command[0]));
  if (limit_capabilities(limits.capabilities) != 0) _exit(fail("limit the capabilities of", command[0]));
  sigprocmask(SIG_SETMASK, mask, NULL);
  execvp(command[0], command);
  dprintf(STDERR_FILENO, "exec %s: %s\n", command[0], strerror(errno));
  _exit(errno == ENOENT ? NOT_FOUND : CANT_RUN);
}

/* Handles a signal. Returns true once the program has ended, with its status. */
static int has_ended(const char *place, int signals, pid_t program, int *status) {
  struct signalfd_siginfo info;
  if (read(signals, &info, sizeof info) != sizeof info) return 0;
  if (info.ssi_signo == SIGCHLD) return waitpid(program, status, WNOHANG) == program;
  if (info.ssi_signo == SIGTERM) kill(program, SIGTERM);
  if (info.ssi_signo == SIGQUIT) kill(program, SIGKILL);
  if (info.ssi_signo == SIGUSR1) {
    prctl(PR_SET_PDEATHSIG, 0);
    write_line(place, "released", "released\n");
  }
  return 0;
}

/* Copies output until the program has ended, and then what the pipes hold: a process that it left may keep them open. */
static int serve(const char *place, struct output *outputs, int signals, pid_t program) {
  for (int status = 0;;) {
    struct pollfd polled[] = {{outputs[0].from, POLLIN, 0}, {outputs[1].from, POLLIN, 0}, {signals, POLLIN, 0}};
    poll(polled, 3, -1);
    int ended = polled[2].revents != 0 && has_ended(place, signals, program, &status);
    for (int at = 0; at < 2; at++)
      if (outputs[at].from >= 0 && (ended || polled[at].revents != 0)) move(&outputs[at]);
    if (ended) return status;
  }
}

static int set_up(struct output *output, int pipes[2], const char *path, const char *ending, off_t limit) {
  if (snprintf(output->path, sizeof output->path, "%s%s", path, ending) >= (int)sizeof output->path) errno = ENAMETOOLONG;
  else if (pipe2(pipes, O_CLOEXEC) == 0) {
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    output->from = pipes[0];
    output->limit = limit;
    open_file(output);
  }
  return output->to;
}

int main(int argc, char **argv) {
  struct limits limits = {NULL, 0, ~0ULL};
  for (int option; (option = getopt(argc, argv, "+c:f:k:")) != -1;) {
    if (option == 'c') limits.cgroup = optarg;
    else if (option == 'f') limits.files = strtoul(optarg, NULL, 10);
    else if (option == 'k') limits.capabilities = strtoull(optarg, NULL, 16);
    else argc = 0;
  }
  if (argc - optind < 3) {
    dprintf(STDERR_FILENO, "usage: monitor [-c CGROUP] [-f FILES] [-k CAPABILITIES] PLACE OUTPUT COMMAND [ARGUMENT...]\n");
    return CANT_RUN;
  }
  argv += optind - 1;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const char *place = argv[1];
  struct output outputs[2] = {{.from = -1, .to = -1}, {.from = -1, .to = -1}};
  int out[2], err[2], status;
  if (set_up(&outputs[0], out, argv[2], "", PRINTED) < 0) return fail("open", argv[2]);
  if (set_up(&outputs[1], err, place, ".err", ERRORS) < 0) return fail("open the error file of", place);
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  int signals = signalfd(-1, &all, SFD_CLOEXEC);
  pid_t self = getpid(), program = fork();
  if (signals < 0 || program < 0) return fail("start", argv[3]);
  if (program == 0) execute(argv + 3, limits, self, out[1], err[1], &before);
  close(out[1]);
  close(err[1]);
  close(STDIN_FILENO);
  char line[32];
  snprintf(line, sizeof line, "%d\n", program);
  if (write_line(place, "pid", line) != 0) {
    kill(program, SIGKILL);
    return fail("write the pid file of", place);
  }
  status = serve(place, outputs, signals, program);
  if (WIFSIGNALED(status)) snprintf(line, sizeof line, "signal %d\n", WTERMSIG(status));
  else snprintf(line, sizeof line, "exit %d\n", WEXITSTATUS(status));
  return write_line(place, "end", line) == 0 ? 0 : fail("write the end file of", place);
}
