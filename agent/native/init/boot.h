/* Stage 1: from an initramfs (with /guestd-modules in it) to the root of the image. */
#ifndef GUESTD_BOOT_H
#define GUESTD_BOOT_H

#include "init.h"

/* When init began: now, or what the init of the initramfs handed over. */
uint64_t boot_start_us(void);
/*
 * In an initramfs: loads the modules, mounts the root of the kernel command line and executes its /sbin/init, or goes
 * on in this process if it has none. Powers off with one line on the console if there is no root. Else does nothing.
 */
void boot_root(char **argv, uint64_t start_us);

/*
 * root=, rootfstype=, rootflags=, ro, rw and dm-mod.create= of a kernel command line; NULL what is not there. A value in
 * double quotes may have spaces. Splits `line` in place.
 */
struct boot_options {
  const char *root, *type, *flags;
  char *mapping;
  bool writable;
};
void boot_options_parse(char *line, struct boot_options *out);

#endif
