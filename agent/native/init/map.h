/* The kernel parameter dm-mod.create=, for kernels that have the device mapper only as a module. */
#pragma once

#include "init.h"

enum { MAP_NAME = 128, MAP_TYPE = 16 };

/* "name,uuid,minor,ro|rw,start sectors type parameters": one device with one row. uuid and minor are empty. */
struct mapping {
  const char *name, *type, *parameters;
  uint64_t start, sectors;
  bool writable;
};

/* Splits `text` in place; `out` points into it. Returns 0 or -EINVAL. */
int mapping_parse(char *text, struct mapping *out);
/* Creates the device: /dev/dm-0 if it is the first. Succeeds if one of that name exists. Returns 0 or -errno. */
int mapping_create(const struct mapping *mapping);
