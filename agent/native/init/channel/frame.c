#include "frame.h"
#include <errno.h>
#include <string.h>

/* Shortest and longest payload of the frames that the host sends within a session. */
static const struct {
  uint16_t least, most;
} LENGTHS[FRAME_count] = {
    [FRAME_OPEN] = {FRAME_NUMBER, FRAME_NUMBER},
    [FRAME_DATA] = {1, FRAME_PAYLOAD},
    [FRAME_CREDIT] = {FRAME_NUMBER, FRAME_NUMBER},
};

static bool from_host(uint8_t type) {
  return type == FRAME_OPEN || type == FRAME_DATA || type == FRAME_CREDIT || type == FRAME_END || type == FRAME_CLOSE;
}

ssize_t frame_parse(const uint8_t *bytes, size_t length, struct frame *out) {
  uint16_t payload;
  if (length < FRAME_HEAD) return 0;
  memcpy(&payload, bytes + 2, sizeof payload);
  memcpy(&out->connection, bytes + 4, sizeof out->connection);
  if (!from_host(bytes[0]) || bytes[1] != 0 || out->connection >= CHANNEL_CONNECTIONS) return -EBADMSG;
  if (payload < LENGTHS[bytes[0]].least || payload > LENGTHS[bytes[0]].most) return -EBADMSG;
  if (length - FRAME_HEAD < payload) return 0;
  out->type = bytes[0];
  out->payload = bytes + FRAME_HEAD;
  out->length = payload;
  out->number = 0;
  if (payload == FRAME_NUMBER && out->type != FRAME_DATA) memcpy(&out->number, out->payload, sizeof out->number);
  return FRAME_HEAD + payload;
}

void frame_head(uint8_t *into, enum frame_type type, uint32_t connection, size_t length) {
  const uint16_t payload = (uint16_t)length;
  into[0] = (uint8_t)type;
  into[1] = 0;
  memcpy(into + 2, &payload, sizeof payload);
  memcpy(into + 4, &connection, sizeof connection);
}

size_t frame_number(uint8_t *into, enum frame_type type, uint32_t connection, uint32_t number) {
  frame_head(into, type, connection, sizeof number);
  memcpy(into + FRAME_HEAD, &number, sizeof number);
  return FRAME_HEAD + sizeof number;
}

size_t frame_empty(uint8_t *into, enum frame_type type, uint32_t connection) {
  frame_head(into, type, connection, 0);
  return FRAME_HEAD;
}

size_t frame_hello(uint8_t *into, const uint8_t nonce[NONCE_BYTES]) {
  size_t length = frame_number(into, FRAME_HELLO, 0, CHANNEL_VERSION);
  memcpy(into + length, nonce, NONCE_BYTES);
  frame_head(into, FRAME_HELLO, 0, FRAME_NUMBER + NONCE_BYTES);
  return length + NONCE_BYTES;
}
