/* The virtio-serial port that the channel uses. */
#pragma once

#include "../init.h"

enum { PORT_NAME = 64 };

/* Opens the port with this name, without blocking. Returns -ENOENT if the guest has none at present, or -errno. */
int port_open(const char *name);
