/*
 * check-map STEP ERRNO: creates the root's device with a fake device mapper that fails at this step (0: never) with
 * this error. Prints the steps and the result.
 */
#include "../../agent/native/common/device-mapper.h"
#include "../../agent/native/init/map.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static int failing, error, step;

/* The compiler's flags rename these two functions and the calls to them in map.c. */
int open(const char *path, int flags, ...) { return (void)path, (void)flags, dup(STDIN_FILENO); }

int ioctl(int control, unsigned long command, ...) {
  (void)control;
  printf("%s ", command == ABI_DM_COMMAND(ABI_DM_DEV_CREATE)    ? "create"
                : command == ABI_DM_COMMAND(ABI_DM_TABLE_LOAD)  ? "load"
                : command == ABI_DM_COMMAND(ABI_DM_DEV_SUSPEND) ? "resume"
                                                                : "unknown");
  if (++step != failing) return 0;
  errno = error;
  return -1;
}

int main(int argc, char **argv) {
  const struct mapping mapping = {.name = "root", .type = "verity", .parameters = "1 /dev/vda1", .sectors = 8};
  if (argc != 3) return 2;
  failing = atoi(argv[1]);
  error = atoi(argv[2]);
  printf("%d\n", mapping_create(&mapping));
  return 0;
}
