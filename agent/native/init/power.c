#include "power.h"
#include <errno.h>
#include <sys/reboot.h>
#include <unistd.h>

int power(bool again) {
  sync();
  reboot(again ? RB_AUTOBOOT : RB_POWER_OFF);
  return -errno;
}
