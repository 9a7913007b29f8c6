/* The block device of the kernel's own parameter dm-mod.create=, for kernels that have the device mapper as a module. */
#ifndef GUESTD_MAP_H
#define GUESTD_MAP_H

#include "init.h"

enum { MAP_NAME = 128, MAP_TYPE = 16 };

/* "name,uuid,minor,ro|rw,start sectors type parameters": one device with one row. uuid and minor are empty. */
struct mapping {
  const char *name, *type, *parameters;
  uint64_t start, sectors;
  bool writable;
};

/* 0 or -EINVAL. Splits `text` in place; `out` points into it. */
int mapping_parse(char *text, struct mapping *out);
/* Makes the device, /dev/dm-0 if it is the first; one of that name that is there already counts as made. 0 or -errno. */
int mapping_create(const struct mapping *mapping);

#endif
