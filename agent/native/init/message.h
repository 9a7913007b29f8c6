/* The messages between agent and init (docs/init.md). */
#pragma once

#include "init.h"
#include "../common/rights.h"

enum request_type { LAUNCH = 1, FORGET, CLOSE, KEEP, DROP, POWER, ADOPT, HEARTBEAT };
enum reply_type { LAUNCHED = 16, EXITED, PROCESS, KEPT, READY, REFUSED };
/* The step that failed, for LAUNCHED. */
enum launch_failure { WHERE_OK, WHERE_MESSAGE, WHERE_PLAN, WHERE_PIDNS, WHERE_CLONE };

struct launch_request {
  uint32_t flags, keep_mask;
  uint16_t slots, report_slot;
  int16_t pidns_slot, cgroup_slot; /* -1: none */
  uint32_t label_length;
  const uint8_t *label;
};

struct adopt_request {
  uint32_t pid, keep_mask, label_length;
  const uint8_t *label;
};

struct request {
  uint32_t type;
  uint64_t id;
  union {
    struct launch_request launch;
    struct adopt_request adopt;
    uint32_t role;     /* CLOSE */
    uint32_t reboot;   /* POWER */
    uint32_t limit_ms; /* HEARTBEAT */
    struct {
      const uint8_t *bytes;
      size_t length;
    } name; /* KEEP, DROP */
  };
};

/*
 * Checks one message that came with `fds` descriptors. Returns 0, -EBADMSG (malformed), -ENOSYS (unknown type), -EINVAL
 * (value out of range) or -EBADF (wrong number of descriptors). Sets type and id if the header is complete.
 */
int message_parse(const uint8_t *bytes, size_t length, unsigned fds, struct request *out);

/* A message under construction. */
struct reply {
  uint8_t bytes[MAX_MESSAGE];
  size_t length;
  int fds[1 + ROLES];
  unsigned fd_count;
};

void reply_begin(struct reply *reply, uint32_t type, uint64_t id);
void reply_u32(struct reply *reply, uint32_t value);
void reply_u64(struct reply *reply, uint64_t value);
void reply_bytes(struct reply *reply, const void *bytes, size_t length);
/* Adds a descriptor, which stays the caller's; -1 adds none. */
void reply_fd(struct reply *reply, int fd);
/* Sends without blocking. Returns 0 or -errno. */
int reply_send(struct reply *reply, int socket);
