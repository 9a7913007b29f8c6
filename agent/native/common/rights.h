/* Descriptors that travel with a message over a unix socket (SCM_RIGHTS). */
#pragma once

#include <string.h>
#include <sys/socket.h>

enum { RIGHTS_MAX = 64 };

/* Room for the control message of RIGHTS_MAX descriptors; must outlive the call of sendmsg or recvmsg. */
union rights {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
};

/* Attaches `count` descriptors, at most RIGHTS_MAX, to a message that is about to be sent. */
static inline void rights_attach(struct msghdr *message, union rights *rights, const int *fds, size_t count) {
  if (count == 0) return;
  if (count > RIGHTS_MAX) __builtin_trap();
  memset(rights, 0, sizeof *rights);
  rights->header.cmsg_level = SOL_SOCKET;
  rights->header.cmsg_type = SCM_RIGHTS;
  rights->header.cmsg_len = CMSG_LEN(count * sizeof *fds);
  memcpy(CMSG_DATA(&rights->header), fds, count * sizeof *fds);
  message->msg_control = rights;
  message->msg_controllen = CMSG_SPACE(count * sizeof *fds);
}

/* Copies the descriptors of a received message to `fds`, which the caller then owns. Returns how many came. */
static inline size_t rights_take(struct msghdr *message, int fds[RIGHTS_MAX]) {
  size_t count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t more = (part->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
    if (more > RIGHTS_MAX - count) more = RIGHTS_MAX - count;
    memcpy(fds + count, CMSG_DATA(part), more * sizeof *fds);
    count += more;
  }
  return count;
}
