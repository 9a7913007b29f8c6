/*
 * PID 1 of a container that asks for an init: runs the command, passes signals on to it, reaps orphans, and ends with the
 * command's exit code. The kernel then kills what is left in the pid namespace.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* As shells: 127 for a command that doesn't exist, 126 for one that can't run, 128 + N after signal N. */
enum { CANT_RUN = 126, NOT_FOUND = 127, BY_SIGNAL = 128 };

static int report(const char *what, const char *name) {
  int error = errno;
  dprintf(STDERR_FILENO, "init: %s %s: %s\n", what, name, strerror(error));
  return error == ENOENT ? NOT_FOUND : CANT_RUN;
}

/* The command gets a process group of its own, and the terminal: a key such as ^C then signals it once, not twice. */
static void execute(char **command, const sigset_t *mask) {
  if (setpgid(0, 0) == 0) tcsetpgrp(STDIN_FILENO, getpid()); /* fails without a terminal */
  sigprocmask(SIG_SETMASK, mask, NULL);
  execvp(command[0], command);
  _exit(report("exec", command[0]));
}

/* Reaps what has ended. Returns the command's exit code if it is among it, else -1. */
static int reap(pid_t command) {
  int code = -1, status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == command) code = WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return code;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    dprintf(STDERR_FILENO, "usage: init COMMAND [ARGUMENT...]\n");
    return CANT_RUN;
  }
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* reaps orphans where it isn't PID 1 */
  pid_t command = fork();
  if (command < 0) return report("fork for", argv[1]);
  if (command == 0) execute(argv + 1, &before);
  for (int code = -1;;) {
    int signal = sigwaitinfo(&all, NULL);
    if (signal == SIGCHLD) code = reap(command);
    else if (signal > 0) kill(command, signal);
    if (code >= 0) return code;
  }
}
