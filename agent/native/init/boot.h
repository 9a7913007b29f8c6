/* The first stage of a boot: from an initramfs with a file /guestd-modules to the root of the image. */
#pragma once

#include "init.h"

/* Returns when init started: now, or the time that the initramfs's init passed on. */
uint64_t boot_start_us(void);
/*
 * In an initramfs, loads the modules, mounts the root that the kernel command line names and executes its /sbin/init;
 * if it has none, returns. Powers off with one line on the console if there is no root. Outside an initramfs does
 * nothing.
 */
void boot_root(char **argv, uint64_t start_us);

/* Options of a kernel command line: root=, rootfstype=, rootflags=, dm-mod.create=; NULL if missing. ro or rw. */
struct boot_options {
  const char *root, *type, *flags;
  char *mapping;
  bool writable;
};
/* Splits `line` in place. A value in double quotes may contain spaces. */
void boot_options_parse(char *line, struct boot_options *out);
