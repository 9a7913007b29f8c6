/* Frames of the channel to the host (docs/channel.md). Numbers are little endian. */
#pragma once

#include "../init.h"

enum {
  FRAME_HEAD = 8,      /* u8 type, u8 zero, u16 length of the payload, u32 connection */
  FRAME_BYTES = 32768, /* the most that one write to a virtio-serial port takes whole */
  FRAME_PAYLOAD = FRAME_BYTES - FRAME_HEAD,
  FRAME_NUMBER = 4,
  NONCE_BYTES = 16,
  CHANNEL_VERSION = 1,
  CHANNEL_CONNECTIONS = 1024,
  CHANNEL_WINDOW = 262144, /* bytes of one direction that wait for their reader, at most */
};

enum frame_type {
  FRAME_HELLO = 1, /* from the guest: u32 version, nonce */
  FRAME_WELCOME,   /* from the host: the nonce */
  FRAME_OPEN,      /* from the host: u32 port */
  FRAME_OPENED,    /* from the guest */
  FRAME_DATA,      /* from here on, from both */
  FRAME_CREDIT,    /* u32 bytes that were delivered */
  FRAME_END,       /* no more DATA */
  FRAME_CLOSE,     /* the sender's last frame of this connection */
  FRAME_count
};

struct frame {
  enum frame_type type;
  uint32_t connection;
  uint32_t number; /* of OPEN and CREDIT */
  const uint8_t *payload;
  size_t length;
};

/*
 * Reads the first frame of `bytes`, as the host may send it within a session. Returns its bytes, 0 if it isn't
 * complete, or -EBADMSG.
 */
ssize_t frame_parse(const uint8_t *bytes, size_t length, struct frame *out);
/* Writes the head of a frame to `into`. */
void frame_head(uint8_t *into, enum frame_type type, uint32_t connection, size_t length);
/* Writes a whole frame with a number, or without payload. Returns its bytes. */
size_t frame_number(uint8_t *into, enum frame_type type, uint32_t connection, uint32_t number);
size_t frame_empty(uint8_t *into, enum frame_type type, uint32_t connection);
/* Writes a HELLO. Returns its bytes. */
size_t frame_hello(uint8_t *into, const uint8_t nonce[NONCE_BYTES]);
