/* Pseudo-terminals of a given devpts instance. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "../common/linux-abi.h"
#include "sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static bool is_devpts(int fd) {
  struct statfs stat;
  return SYS_RETRY(fstatfs(fd, &stat)) == 0 && stat.f_type == DEVPTS_SUPER_MAGIC;
}

/*
 * openTerminal(dir): unlocked master of a new pty of the devpts instance whose root is `dir`; -ENODEV on another file
 * system. The kernel refuses a ptmx that is a link (ELOOP) or covered by a mount (EXDEV).
 */
static napi_value call_open_terminal(napi_env env, napi_callback_info info) {
  struct args args;
  int dir, unlock = 0;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "dir", &dir)) return NULL;
  struct statfs stat;
  long status = SYS_RETRY(fstatfs(dir, &stat));
  if (status < 0 || stat.f_type != DEVPTS_SUPER_MAGIC) return result(env, status < 0 ? status : -ENODEV);
  const uint64_t resolve = ABI_RESOLVE_NO_XDEV | ABI_RESOLVE_NO_SYMLINKS | ABI_RESOLVE_BENEATH;
  int64_t master = open_at2(dir, "ptmx", O_RDWR | O_NOCTTY, resolve);
  if (master < 0) return result(env, master);
  status = is_devpts((int)master) ? SYS_RETRY(ioctl((int)master, TIOCSPTLCK, &unlock)) : -ENODEV;
  if (status < 0) close((int)master);
  return result(env, status < 0 ? status : master);
}

/* terminalPeer(master): opens the slave, not as controlling terminal */
static napi_value call_terminal_peer(napi_env env, napi_callback_info info) {
  struct args args;
  int master;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "master", &master)) return NULL;
  return result(env, SYS_RETRY(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)));
}

/* terminalNumber(master): N of /dev/pts/N */
static napi_value call_terminal_number(napi_env env, napi_callback_info info) {
  struct args args;
  int master;
  unsigned int number = 0;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "master", &master)) return NULL;
  long status = SYS_RETRY(ioctl(master, TIOCGPTN, &number));
  return result(env, status < 0 ? status : (int64_t)number);
}

/* setWindowSize(fd, rows, columns) */
static napi_value call_set_window_size(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t rows, columns;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "rows", 0, 65535, &rows) ||
      !arg_int(&args, "columns", 0, 65535, &columns))
    return NULL;
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  return result(env, SYS_RETRY(ioctl(fd, TIOCSWINSZ, &size)));
}

napi_status terminals_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"openTerminal", call_open_terminal},
      {"terminalPeer", call_terminal_peer},
      {"terminalNumber", call_terminal_number},
      {"setWindowSize", call_set_window_size},
  };
  return REGISTER(env, exports, table);
}
