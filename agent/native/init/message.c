#include "message.h"
#include <errno.h>

enum { HEADER = 16, LAUNCH_FIXED = 20, ADOPT_FIXED = 8, DAY_MS = 86400000 };
_Static_assert(offsetof(struct launch_request, label_length) == 16, "the fixed part of LAUNCH, as it is sent");

static bool slot_or_none(int16_t slot, unsigned slots) { return slot == -1 || (slot >= 0 && slot < (int)slots); }
static unsigned kept(uint32_t mask) { return (unsigned)__builtin_popcount(mask); }

static int parse_launch(const uint8_t *body, size_t length, unsigned fds, struct launch_request *out) {
  if (length < LAUNCH_FIXED) return -EBADMSG;
  memcpy(out, body, LAUNCH_FIXED);
  out->label = body + LAUNCH_FIXED;
  if (out->label_length != length - LAUNCH_FIXED) return -EBADMSG;
  if (out->label_length > MAX_LABEL || out->flags > 1 || out->keep_mask >> ROLES) return -EINVAL;
  if (out->report_slot >= out->slots) return -EINVAL;
  if (!slot_or_none(out->pidns_slot, out->slots) || !slot_or_none(out->cgroup_slot, out->slots)) return -EINVAL;
  return fds == 1 + out->slots + kept(out->keep_mask) ? 0 : -EBADF;
}

static int parse_adopt(const uint8_t *body, size_t length, unsigned fds, struct adopt_request *out) {
  if (length < ADOPT_FIXED) return -EBADMSG;
  memcpy(out, body, ADOPT_FIXED);
  out->label_length = (uint32_t)length - ADOPT_FIXED;
  out->label = body + ADOPT_FIXED;
  if (out->pid < 2 || out->pid > INT32_MAX || out->keep_mask >> ROLES || out->label_length > MAX_LABEL) return -EINVAL;
  return fds == kept(out->keep_mask) ? 0 : -EBADF;
}

static int parse_name(const uint8_t *body, size_t length, struct request *out) {
  if (out->id != 0 || length < 1 || length > MAX_NAME) return -EINVAL;
  out->name.bytes = body;
  out->name.length = length;
  return 0;
}

static int parse_u32(const uint8_t *body, size_t length, uint32_t limit, uint32_t *out) {
  if (length != sizeof *out) return -EBADMSG;
  memcpy(out, body, sizeof *out);
  return *out < limit ? 0 : -EINVAL;
}

static int parse_body(const uint8_t *body, size_t length, unsigned fds, struct request *out) {
  if (out->type == LAUNCH) return parse_launch(body, length, fds, &out->launch);
  if (out->type == ADOPT) return parse_adopt(body, length, fds, &out->adopt);
  if (out->type < FORGET || out->type > HEARTBEAT) return -ENOSYS;
  if (fds != (out->type == KEEP ? 1 : 0)) return -EBADF;
  switch (out->type) {
  case FORGET: return length == 0 ? 0 : -EBADMSG;
  case CLOSE: return parse_u32(body, length, ROLES, &out->role);
  case POWER: return parse_u32(body, length, 2, &out->reboot);
  case HEARTBEAT: return parse_u32(body, length, DAY_MS + 1, &out->limit_ms);
  default: return parse_name(body, length, out);
  }
}

int message_parse(const uint8_t *bytes, size_t length, unsigned fds, struct request *out) {
  uint32_t head[2];
  *out = (struct request){0};
  if (length < HEADER || length > MAX_MESSAGE) return -EBADMSG;
  memcpy(head, bytes, sizeof head);
  memcpy(&out->id, bytes + sizeof head, sizeof out->id);
  out->type = head[0];
  return head[1] == 0 ? parse_body(bytes + HEADER, length - HEADER, fds, out) : -EBADMSG;
}

void reply_begin(struct reply *reply, uint32_t type, uint64_t id) {
  reply->length = 0;
  reply->fd_count = 0;
  reply_u32(reply, type);
  reply_u32(reply, 0);
  reply_u64(reply, id);
}

void reply_bytes(struct reply *reply, const void *bytes, size_t length) {
  if (length > sizeof reply->bytes - reply->length) __builtin_trap();
  memcpy(reply->bytes + reply->length, bytes, length);
  reply->length += length;
}

void reply_u32(struct reply *reply, uint32_t value) { reply_bytes(reply, &value, sizeof value); }
void reply_u64(struct reply *reply, uint64_t value) { reply_bytes(reply, &value, sizeof value); }

void reply_fd(struct reply *reply, int fd) {
  if (fd >= 0) reply->fds[reply->fd_count++] = fd;
}

int reply_send(struct reply *reply, int socket) {
  union rights rights;
  struct iovec part = {.iov_base = reply->bytes, .iov_len = reply->length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  rights_attach(&message, &rights, reply->fds, reply->fd_count);
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
