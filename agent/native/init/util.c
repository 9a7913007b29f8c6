#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void say(const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int used = snprintf(line, sizeof line, "guestd-init: ");
  int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, arguments);
  va_end(arguments);
  if (more < 0) return;
  size_t length = strlen(line);
  line[length++] = '\n';
  struct pollfd console = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&console, 1, 0) == 1 && (console.revents & POLLOUT) && write(STDERR_FILENO, line, length) < 0) return;
}

void drop_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY); /* closed before any execve; with O_CLOEXEC musl makes one more call */
  if (fd < 0) return -errno;
  int result = write(fd, text, strlen(text)) < 0 ? -errno : 0;
  close(fd);
  return result;
}

ssize_t read_file(const char *path, char *into, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t length = read(fd, into, size - 1);
  if (length < 0) length = -errno;
  into[length > 0 ? length : 0] = '\0';
  close(fd);
  return length;
}
