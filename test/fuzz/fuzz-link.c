/*
 * libFuzzer target for init's end of the socket to the agent and everything a message leads to: descriptors, the sealed
 * plan of a launch, the tables, replies and the greeting of the next agent. Only calls that create or find processes
 * are faked.
 *
 * An input is a list of steps. At the end no more descriptors may be open than before. Assertions are on, so an illegal
 * change of a process's state aborts.
 */
#include "../../agent/native/init/adopt.h"
#include "../../agent/native/init/child.h"
#include "../../agent/native/init/fork.h"
#include "../../agent/native/init/launch.h"
#include "../../agent/native/init/link.h"
#include "../../agent/native/init/power.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { MOST_FDS = 80, MOST_STEPS = 200, ADD_SEALS = 1033, ALL_SEALS = 15, FIRST_PID = 1 << 20 };

struct input {
  const uint8_t *at;
  size_t left;
};

static int agent_end = -1, null_fd = -1;
static pid_t next_pid;
static bool refuse_next;
static bool sent_empty; /* an empty message, which looks like the end of the connection */
static const struct origin ORIGIN = {.start_us = 1};

/* launch.c, fork.c and adopt.c are compiled to call these instead of the kernel. */
long fuzz_syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  const struct abi_args {
    uint64_t flags, pidfd;
  } *args = number == 435 /* clone3 */ ? va_arg(rest, const struct abi_args *) : NULL;
  va_end(rest);
  if (refuse_next) {
    refuse_next = false;
    errno = EAGAIN;
    return -1;
  }
  if (number == 434 /* pidfd_open */) return dup(null_fd);
  if (args == NULL) return 0;
  int pidfd = dup(null_fd);
  if (pidfd < 0) return -1;
  memcpy((void *)(uintptr_t)args->pidfd, &pidfd, sizeof pidfd);
  return ++next_pid;
}

/* Processes with an even pid are children of init. */
int fuzz_waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
  (void)type, (void)info, (void)options;
  errno = ECHILD;
  return id % 2 == 0 ? 0 : -1;
}

int fuzz_kill(pid_t pid, int signal) { return (void)pid, (void)signal, 0; }

/* Only a child calls these, and power would end this process. */
void child_run(struct child *child) { (void)child, abort(); }
void child_close_others(const int *kept, unsigned count) { (void)kept, (void)count, abort(); }
void child_report(const struct child *child, uint32_t kind, int error) { (void)child, (void)kind, (void)error, abort(); }
int power(bool again) { return again ? -EPERM : -ENOSYS; }

static uint8_t take_byte(struct input *input) {
  if (input->left == 0) return 0;
  input->left--;
  return *input->at++;
}

static size_t take_bytes(struct input *input, size_t most, const uint8_t **bytes) {
  size_t length = take_byte(input) | (size_t)take_byte(input) << 8;
  if (length > most) length = most;
  if (length > input->left) length = input->left;
  *bytes = input->at;
  input->at += length;
  input->left -= length;
  return length;
}

static int plan_file(const uint8_t *bytes, size_t length, unsigned seals) {
  int fd = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd >= 0 && (write(fd, bytes, length) < 0 || fcntl(fd, ADD_SEALS, seals) < 0)) abort();
  return fd;
}

/* Sends what an agent could send: a message, with a plan and other descriptors. */
static void send_message(struct input *input) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
  } control;
  const uint8_t *body, *plan = NULL;
  int fds[MOST_FDS];
  uint8_t seals = take_byte(input);
  unsigned count = take_byte(input) % (MOST_FDS + 1);
  size_t length = take_bytes(input, MAX_MESSAGE + 8, &body);
  size_t plan_length = count > 0 ? take_bytes(input, 1 << 16, &plan) : 0;
  for (unsigned i = 0; i < count; i++) fds[i] = null_fd;
  int file = plan_length > 0 ? plan_file(plan, plan_length, seals & 1 ? ALL_SEALS : seals & ALL_SEALS) : -1;
  if (file >= 0) fds[0] = file;
  struct iovec part = {.iov_base = (void *)(uintptr_t)body, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  }
  if (length + count == 0) sent_empty = true;
  sendmsg(agent_end, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  drop_fd(&file);
}

static void read_replies(void) {
  char bytes[MAX_MESSAGE];
  union rights rights;
  int fds[RIGHTS_MAX];
  for (;;) {
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = &rights, message.msg_controllen = sizeof rights;
    if (recvmsg(agent_end, &message, MSG_DONTWAIT) <= 0) return;
    if (message.msg_flags & MSG_TRUNC) abort();
    size_t count = rights_take(&message, fds);
    for (size_t i = 0; i < count; i++) close(fds[i]);
  }
}

/* Init must have read everything the agent had sent. */
static void end_agent(void) {
  char byte;
  drop_fd(&agent_end);
  link_drain(&ORIGIN);
  if (!sent_empty && recv(link_socket(), &byte, 1, MSG_DONTWAIT) > 0) abort();
  link_close();
}

static void next_agent(uint64_t generation) {
  int ends[2];
  if (agent_end >= 0) end_agent();
  sent_empty = false;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) abort();
  agent_end = ends[0];
  link_open(ends[1], generation, 2, &ORIGIN);
  link_flush();
}

/* Ends a launched or adopted process, or an orphan that may be adopted later. */
static void end_process(struct input *input) {
  uint8_t which = take_byte(input), status = take_byte(input);
  pid_t pid = which & 0x80 ? which & 0x7f : FIRST_PID + which;
  struct process *process = table_by_pid(pid);
  /* The child of a plan with a `fork` has reached it, or failed before. */
  if (process != NULL && process_is(process, IS_UNFORKED) && status % 2 == 1) *fork_cell(process) = ++next_pid;
  launch_ended(pid, &(struct ending){.status = status, .maxrss_kib = 1});
}

static void run_step(struct input *input) {
  switch (take_byte(input) % 6) {
  case 0:
  case 1:
    send_message(input);
    break;
  case 2:
    link_read(&ORIGIN);
    break;
  case 3:
    link_flush();
    read_replies();
    break;
  case 4:
    end_process(input);
    break;
  default:
    if (take_byte(input) % 2 == 0) refuse_next = true;
    else next_agent(3);
  }
}

static void drop_all(void) {
  for (unsigned i = table_top(); i-- > 0;) {
    if (process_is(table_at(i), IS_KNOWN)) table_forget(table_at(i));
    if (process_is(table_at(i), IS_USED)) table_exit(table_at(i), &(struct ending){0});
  }
  for (unsigned i = 0; i < deposits_top(); i++) {
    struct deposit *deposit = deposit_at(i);
    if (deposit->used && deposit_drop((const uint8_t *)deposit->name, deposit->length) != 0) abort();
  }
  if (table_top() != 0 || deposits_top() != 0) abort();
}

static int lowest_free(void) {
  int fd = dup(null_fd);
  close(fd);
  return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {.at = data, .left = size};
  if (null_fd < 0) {
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || launch_prepare() < 0) abort();
  }
  int before = lowest_free();
  next_pid = FIRST_PID;
  refuse_next = false;
  next_agent(1);
  for (unsigned steps = 0; input.left > 0 && steps < MOST_STEPS; steps++) run_step(&input);
  link_read(&ORIGIN);
  link_flush();
  next_agent(4); /* its greeting lists everything that is left */
  read_replies();
  end_agent();
  drop_all();
  if (lowest_free() != before) abort();
  return 0;
}
