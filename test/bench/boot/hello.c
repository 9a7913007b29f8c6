/* PID 1 of a minimal guest: prints a line and powers off. */
#include <sys/reboot.h>
#include <unistd.h>

int main(void) {
  static const char line[] = "hello\n";
  if (write(STDOUT_FILENO, line, sizeof line - 1) < 0) return 1;
  return reboot(RB_POWER_OFF);
}
