/* PID 1 of the guest that does nothing else: a line, then the power off. */
#include <sys/reboot.h>
#include <unistd.h>

int main(void) {
  static const char line[] = "hello\n";
  if (write(STDOUT_FILENO, line, sizeof line - 1) < 0) return 1;
  return reboot(RB_POWER_OFF);
}
