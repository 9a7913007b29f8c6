/* The kernel's device mapper, through its control device. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* struct dm_ioctl and struct dm_target_spec. */
struct abi_dm {
  uint32_t version[3], data_size, data_start, target_count, open_count, flags, event_nr, padding;
  uint64_t dev;
  char name[128], uuid[129], data[7];
};
struct abi_dm_target {
  uint64_t start, length;
  int32_t status;
  uint32_t next;
  char type[16];
};
_Static_assert(sizeof(struct abi_dm) == 312 && sizeof(struct abi_dm_target) == 40, "the kernel's sizes");
enum { ABI_DM_VERSION = 4, ABI_DM_READONLY = 1 };
enum { ABI_DM_DEV_CREATE = 3, ABI_DM_DEV_SUSPEND = 6, ABI_DM_TABLE_LOAD = 9 };
#define ABI_DM_COMMAND(command) _IOWR(0xfd, command, struct abi_dm)

/*
 * Runs one command on a request of `size` bytes, head included; the kernel reads and writes no more than that. Returns
 * 0 or -errno: -ENOENT or -ENODEV if the kernel has no device mapper.
 */
static inline int device_mapper(unsigned command, struct abi_dm *request, size_t size) {
  int control, result;
  request->data_size = (uint32_t)size;
  do control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  while (control < 0 && errno == EINTR);
  if (control < 0) return -errno;
  do result = ioctl(control, ABI_DM_COMMAND(command), request) < 0 ? -errno : 0;
  while (result == -EINTR);
  close(control);
  return result;
}
