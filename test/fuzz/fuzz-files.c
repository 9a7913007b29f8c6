/*
 * libFuzzer target for a file server: reads any messages, with and without a descriptor, and makes the calls of those
 * requests that it accepts on a fake kernel, whose answers also come from the input (played-kernel.h). The fake reads all memory
 * that the kernel would read, and writes all that it may write.
 *
 * An input is a list of messages: length (u16), number of descriptors (u8), number of the kernel's answers (u8), the
 * answers, the message.
 */
#include "../../agent/native/init/files/server.h"
#include "../../agent/native/common/linux-abi.h"
#include "../../agent/native/common/rights.h"
#define PLAYS_KERNEL
#include "played-kernel.h"
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <sys/un.h>

enum { FIRST_FD = 1000, MOST_MESSAGES = 64 };
static const int ERRORS[] = {ENOENT, EEXIST, EAGAIN, EINVAL, EPERM, ENODATA, ENOTDIR, EACCES};

static const uint8_t *input, *answers;
static size_t input_left, answers_left, pending;
static const uint8_t *message;
static unsigned pending_fds;
static volatile size_t seen;
static struct server server;

static uint8_t next_answer(void) {
  if (answers_left == 0) return 0;
  answers_left--;
  return *answers++;
}

static void see(const void *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) seen += ((const uint8_t *)bytes)[i];
}

static long answered(long success) {
  uint8_t answer = next_answer();
  if (answer < 0xe0) return success;
  errno = ERRORS[answer % 8];
  return -1;
}

/* Fills up to `size` bytes, as many as the kernel's next answer says; ASan doesn't see where `server.out` ends. */
static long filled(void *into, size_t size) {
  size_t length = next_answer() * (size_t)259;
  const uint8_t *end = server.out + sizeof server.out, *to = into;
  if (to >= server.out && to < end && size > (size_t)(end - to)) abort();
  if (length > size) length = size;
  if (length > 0) memset(into, 'n', length);
  return answered((long)length);
}

/* Fills as many records of a directory, each of a name of one letter, and the beginning of one more. */
static long listed(uint8_t *into, size_t size) {
  static const uint8_t end[] = {24, 0, 8, 'n', 0, 0, 0, 0}; /* length, type, name */
  long length = filled(into, size);
  for (long at = 0; at + 24 <= length; at += 24) memcpy(into + at + 16, end, sizeof end);
  return length;
}

/* Reads the arguments of the calls that have pointers. */
static long made(long number, va_list rest) {
  long argument[6];
  for (unsigned i = 0; i < 6; i++) argument[i] = va_arg(rest, long);
  const char *text = (const char *)argument[1];
  switch (number) {
  case SYS_statx:
    memset((void *)argument[4], next_answer(), sizeof(struct abi_statx));
    ((struct abi_statx *)argument[4])->size = next_answer() * (size_t)259; /* as `filled` may have it */
    return answered(0);
  case SYS_fstatfs:
    memset((void *)argument[1], 0, sizeof(struct statfs));
    ((struct statfs *)argument[1])->f_type = next_answer() & 1 ? 0x1cd1 : 0;
    return answered(0);
  case SYS_readlinkat: seen += strlen(text); return filled((void *)argument[2], (size_t)argument[3]);
  case SYS_getdents64: return listed((uint8_t *)argument[1], (size_t)argument[2]);
  case SYS_pread64: return filled((void *)argument[1], (size_t)argument[2]);
  case SYS_pwrite64: see(text, (size_t)argument[2]); return answered(argument[2]);
  case SYS_flistxattr: return filled((void *)argument[1], (size_t)argument[2]);
  case SYS_fgetxattr: seen += strlen(text); return filled((void *)argument[2], (size_t)argument[3]);
  case SYS_fsetxattr:
    seen += strlen(text);
    see((const void *)argument[2], (size_t)argument[3]);
    return answered(0);
  case SYS_symlinkat: seen += strlen((const char *)argument[0]) + strlen((const char *)argument[2]); return answered(0);
  case SYS_linkat:
  case SYS_renameat2: seen += strlen(text) + strlen((const char *)argument[3]); return answered(0);
  case SYS_openat:
  case NR_openat2: seen += strlen(text); return answered(FIRST_FD);
  case SYS_fcntl: return answered(FIRST_FD);
  case SYS_mkdirat:
  case SYS_unlinkat:
  case SYS_fchmodat:
  case SYS_fchownat: seen += strlen(text); return answered(0);
  case SYS_utimensat: see((const void *)argument[2], 32); return answered(0);
  case SYS_bind:
  case SYS_connect: see((const void *)argument[1], (size_t)argument[2]); return answered(0);
  default: return answered(0);
  }
}

long played_syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long result = made(number, rest);
  va_end(rest);
  return result;
}

long played_call(void) { return answered(0); }

/* Gives the server the message of the input that is due, and ends the connection after it. What follows it may not be read. */
ssize_t played_recvmsg(struct msghdr *header) {
  ASAN_UNPOISON_MEMORY_REGION(header->msg_iov->iov_base, header->msg_iov->iov_len);
  if (pending == SIZE_MAX) return 0;
  size_t length = pending < header->msg_iov->iov_len ? pending : header->msg_iov->iov_len;
  memcpy(header->msg_iov->iov_base, message, length);
  ASAN_POISON_MEMORY_REGION((uint8_t *)header->msg_iov->iov_base + length, header->msg_iov->iov_len - length);
  header->msg_flags = pending > header->msg_iov->iov_len ? MSG_TRUNC : 0;
  int fds[RIGHTS_MAX];
  for (unsigned i = 0; i < pending_fds; i++) fds[i] = FIRST_FD + 1;
  rights_attach(header, header->msg_control, fds, pending_fds);
  if (pending_fds == 0) header->msg_controllen = 0;
  pending = SIZE_MAX;
  return (ssize_t)length;
}

/* Reads the answers of a message, which must be whole. */
ssize_t played_sendmsg(const struct msghdr *header) {
  const uint8_t *bytes = header->msg_iov->iov_base;
  struct file_answer head;
  see(bytes, header->msg_iov->iov_len);
  size_t left = header->msg_iov->iov_len;
  do {
    if (left < sizeof head) abort();
    memcpy(&head, bytes, sizeof head);
    if (head.data_length > left - sizeof head || head.error > 0) abort();
    bytes += sizeof head + head.data_length;
    left -= sizeof head + head.data_length;
  } while (left > 0);
  return answered(1) < 0 ? -1 : (ssize_t)header->msg_iov->iov_len;
}

static bool take(size_t length, const uint8_t **bytes) {
  if (length > input_left) return false;
  *bytes = input;
  input += length;
  input_left -= length;
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *head;
  input = data;
  input_left = size;
  memset(server.handles, -1, sizeof server.handles);
  server.handles[0] = FIRST_FD;
  server.answered = -1;
  server.out_length = 0;
  for (unsigned i = 0; i < MOST_MESSAGES && take(4, &head); i++) {
    size_t length = head[0] | (size_t)head[1] << 8;
    pending_fds = head[2] % (RIGHTS_MAX + 1);
    answers_left = head[3];
    if (!take(answers_left, &answers) || !take(length, &message)) break;
    uint8_t *exact = malloc(length + (length == 0)); /* so that ASan guards its end */
    if (exact == NULL) return 0;
    memcpy(exact, message, length);
    message = exact;
    pending = length;
    bool more = server_turn(&server);
    free(exact);
    if (!more) break;
    for (unsigned handle = 0; handle < FILE_HANDLES; handle++) {
      if (server.handles[handle] < -1) abort();
    }
    if (server.answered >= 0 || server.out_length > 0) abort();
  }
  return 0;
}
