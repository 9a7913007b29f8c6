#include "caps.h"
#include "../common/linux-abi.h"
#include <errno.h>
#include <sys/prctl.h>

int caps_limit_bounding(uint64_t keep) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((keep >> capability & 1) != 0 || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL ? 0 : -errno; /* EINVAL: the kernel knows no more capabilities */
  }
  return 0;
}

int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct abi_cap_header header = {.version = ABI_CAP_VERSION};
  struct abi_cap_half halves[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
  };
  return syscall(SYS_capset, &header, halves) < 0 ? -errno : 0;
}

static uint64_t whole(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

int caps_limit(uint64_t keep, uint64_t inherit) {
  struct abi_cap_header header = {.version = ABI_CAP_VERSION};
  struct abi_cap_half halves[2] = {{0}};
  if (syscall(SYS_capget, &header, halves) < 0) return -errno;
  return caps_set(whole(halves[0].effective, halves[1].effective) & keep,
                  whole(halves[0].permitted, halves[1].permitted) & keep,
                  whole(halves[0].inheritable, halves[1].inheritable) & inherit);
}
