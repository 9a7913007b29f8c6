/*
 * libFuzzer target for the child of a launch. It runs any plan that the decoder accepts, operation by operation, on a
 * fake kernel whose answers also come from the input (played-kernel.h). The fake reads all memory that the kernel would
 * read.
 *
 * An input is: number of slots, length of the kernel's answers (u16), the answers, the plan.
 */
#include "../../agent/native/init/child.h"
#include "../../agent/native/common/linux-abi.h"
#define PLAYS_KERNEL
#include "played-kernel.h"
#include <setjmp.h>
#include <stdarg.h>

enum { MOST_SLOTS = 32, FIRST_FD = 100 };

static const int ERRORS[] = {ENOENT, EEXIST, EAGAIN, EINVAL, EPERM, EINTR, ENOTDIR, EACCES};
static const uint8_t *answers;
static size_t answers_left;
static jmp_buf ended;
static volatile size_t seen;
static struct dirent entry;

/* Returns 0 once the answers are used up; from then on every call succeeds and every list ends. */
static uint8_t next_answer(void) {
  if (answers_left == 0) return 0;
  answers_left--;
  return *answers++;
}

static void see(const void *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) seen += ((const uint8_t *)bytes)[i];
}

static void see_strings(char *const *strings) {
  for (; *strings != NULL; strings++) seen += strlen(*strings);
}

long played_call(void) {
  uint8_t answer = next_answer();
  if (answer < 0xf0) return answer & 1;
  errno = ERRORS[answer % 8];
  return -1;
}

int played_at(int fd, const char *path) {
  (void)fd;
  if (path != NULL) seen += strlen(path);
  return played_call() < 0 ? -1 : 0;
}

int played_path(const char *path) { return played_at(-1, path); }
int played_open(int fd, const char *path) { return played_at(fd, path) < 0 ? -1 : FIRST_FD; }

ssize_t played_read(int fd, const char *path, void *into, size_t size) {
  size_t length = next_answer() * (size_t)17;
  if (length > size) length = size;
  if (length > answers_left) length = answers_left;
  if (length == 0) return played_at(fd, path);
  memcpy(into, answers, length);
  answers += length;
  answers_left -= length;
  return (ssize_t)length;
}

ssize_t played_write(const void *from, size_t size) {
  see(from, size);
  return played_call() < 0 ? -1 : (ssize_t)size;
}

int played_stat(int fd, const char *path, struct stat *into) {
  static const mode_t KINDS[] = {S_IFREG | 0755, S_IFDIR | 0755, S_IFLNK | 0777, S_IFIFO};
  memset(into, 0, sizeof *into);
  into->st_mode = KINDS[next_answer() % 4];
  return played_at(fd, path);
}

int played_statfs(int fd, struct statfs *into) {
  memset(into, 0, sizeof *into);
  into->f_type = next_answer() & 1 ? ABI_PROC_SUPER_MAGIC : 0;
  return played_at(fd, NULL);
}

DIR *played_opendir(int fd) { return played_at(fd, NULL) < 0 ? NULL : (DIR *)&entry; }

struct dirent *played_readdir(void) {
  size_t length = next_answer();
  if (length == 0) return NULL;
  memset(entry.d_name, 'n', length);
  entry.d_name[length] = '\0';
  return &entry;
}

_Noreturn void played_exit(void) { longjmp(ended, 1); }

int played_execve(const char *path, char *const *args, char *const *env) {
  see_strings(args);
  see_strings(env);
  return played_path(path) < 0 ? -1 : (longjmp(ended, 1), 0);
}

static void see_arguments(long number, va_list rest) {
  long first = va_arg(rest, long), second = va_arg(rest, long);
  const void *pointer = (const void *)second, *third;
  switch (number) {
  case SYS_setgroups:
    see(pointer, (size_t)first * sizeof(uint32_t));
    break;
  case SYS_sched_setattr:
    see(pointer, 48);
    break;
  case SYS_sched_setaffinity:
    see(va_arg(rest, const void *), (size_t)second);
    break;
  case SYS_seccomp: {
    const struct abi_program *program = va_arg(rest, const struct abi_program *);
    see(program->instructions, program->length * sizeof *program->instructions);
    break;
  }
  case SYS_sethostname:
  case SYS_setdomainname:
    see((const void *)first, (size_t)second);
    break;
  case NR_fsopen:
    seen += strlen((const char *)first);
    break;
  case NR_fsconfig:
    pointer = va_arg(rest, const void *);
    third = va_arg(rest, const void *);
    seen += (pointer == NULL ? 0 : strlen(pointer)) + (third == NULL ? 0 : strlen(third));
    break;
  case NR_openat2:
  case NR_open_tree:
  case NR_faccessat2:
    seen += strlen(pointer);
    break;
  default:
    break;
  }
}

long played_syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  see_arguments(number, rest);
  va_end(rest);
  long result = played_call();
  bool opens = number == NR_openat2 || number == NR_open_tree || number == NR_fsopen || number == NR_fsmount;
  return result >= 0 && opens ? FIRST_FD : result;
}

/* Serving has a target of its own. */
OPERATION(serve_files) { return -ENOSYS; }

static void run(void *bytes, size_t size, unsigned slots) {
  static int fds[MOST_SLOTS];
  static const struct stat self = {.st_ino = 1};
  static pid_t born;
  uint32_t bad;
  struct child child = {.slots = fds, .self = &self, .root = -1, .mount = -1, .fs = -1, .mask = -1, .born = &born};
  if (plan_check(bytes, size, slots, &child.plan, &bad) == 0 && setjmp(ended) == 0) child_run(&child);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  unsigned slots = data[0] % (MOST_SLOTS + 1);
  answers_left = data[1] | (size_t)data[2] << 8;
  if (answers_left > size - 3) answers_left = size - 3;
  answers = data + 3;
  size_t length = size - 3 - answers_left;
  void *plan = malloc(length + (length == 0));
  if (plan == NULL) return 0;
  memcpy(plan, answers + answers_left, length);
  run(plan, length, slots);
  free(plan);
  return 0;
}
