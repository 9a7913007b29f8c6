/*
 * hog RESOURCE [WORKERS [MOST [DIRECTORY]]]: allocates and holds as much as it can of one kernel resource. When it can
 * get no more, has MOST, or after 10 s, it prints "COUNT ERRNO": how much its workers hold, and the last error or "-".
 * The workers retry every 20 ms, to get what other processes release. It does not replace workers that the OOM killer
 * ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 500, EVENTFDS = 1000, WATCHED = 100, BIG_KEY = 32000, AIO_EVENTS = 1024, LOCKS = 2000, PATH = 256 };

static const char *directory = "/dev/shm";
static long most = LONG_MAX;
static struct shared {
  long taken;
  int error;
} *shared;

/* Each returns 0 if it could allocate one more, else -1 with errno. */

static int take_epoll(long n) {
  static int eventfds[EVENTFDS], epoll = -1;
  struct epoll_event event = {.events = EPOLLIN};
  if (n < EVENTFDS) return (eventfds[n] = eventfd(0, 0)) < 0 ? -1 : 0;
  if (n % EVENTFDS == 0 && (epoll = epoll_create1(0)) < 0) return -1;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, eventfds[n % EVENTFDS], &event);
}

static int take_inotify(long n) {
  static int instance = -1;
  char path[PATH];
  if (n % WATCHED == 0 && (instance = inotify_init1(0)) < 0) return -1;
  snprintf(path, sizeof path, "%s/watched-%ld", directory, n % WATCHED);
  close(open(path, O_CREAT | O_WRONLY, 0600));
  return inotify_add_watch(instance, path, IN_MODIFY) < 0 ? -1 : 0;
}

static int take_instance(long n) { return (void)n, inotify_init1(0) < 0 ? -1 : 0; }

static int take_namespace(long n, int flag, const char *file) {
  if (n == 0) unshare(CLONE_NEWUSER); /* if it is refused, so is the next call */
  if (unshare(flag) < 0) return -1;
  return open(file, O_RDONLY) < 0 ? -1 : 0;
}
static int take_mount_ns(long n) { return take_namespace(n, CLONE_NEWNS, "/proc/thread-self/ns/mnt"); }
static int take_cgroup_ns(long n) { return take_namespace(n, CLONE_NEWCGROUP, "/proc/thread-self/ns/cgroup"); }
static int take_uts_ns(long n) { return take_namespace(n, CLONE_NEWUTS, "/proc/thread-self/ns/uts"); }
static int take_ipc_ns(long n) { return take_namespace(n, CLONE_NEWIPC, "/proc/thread-self/ns/ipc"); }
static int take_net_ns(long n) { return take_namespace(n, CLONE_NEWNET, "/proc/thread-self/ns/net"); }

/* In a child: a process can have no more than 32, each nested in the one before. */
static int take_child_ns(int flags, const char *name) {
  char path[PATH];
  int ready[2], done[2], error = 0;
  if (pipe(ready) < 0 || pipe(done) < 0) return -1;
  pid_t child = fork();
  if (child == 0) {
    if (unshare(flags) < 0) error = errno;
    if (error == 0 && (flags & CLONE_NEWPID) != 0) {
      pid_t first = fork();
      if (first == 0) _exit(0);
      error = first < 0 ? errno : 0;
    }
    if (write(ready[1], &error, sizeof error) < 0) _exit(1);
    close(done[1]);
    _exit((int)read(done[0], &error, 1));
  }
  if (child > 0 && read(ready[0], &error, sizeof error) < 0) error = errno;
  snprintf(path, sizeof path, "/proc/%d/ns/%s", child, name);
  if (child < 0 || (error == 0 && open(path, O_RDONLY) < 0)) error = errno;
  close(ready[0]), close(ready[1]), close(done[0]), close(done[1]);
  if (child > 0) waitpid(child, NULL, 0);
  errno = error;
  return error == 0 ? 0 : -1;
}
static int take_user_ns(long n) { return (void)n, take_child_ns(CLONE_NEWUSER, "user"); }
static int take_pid_ns(long n) { return (void)n, take_child_ns(CLONE_NEWUSER | CLONE_NEWPID, "pid_for_children"); }

static int take_pty(long n) { return (void)n, open("/dev/ptmx", O_RDWR | O_NOCTTY) < 0 ? -1 : 0; }

/* Uses a devpts that the container itself has mounted. */
static int take_own_pty(long n) {
  if (n == 0) {
    unshare(CLONE_NEWUSER | CLONE_NEWNS);
    if (mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") < 0) return -1;
  }
  return open("/dev/pts/ptmx", O_RDWR | O_NOCTTY) < 0 ? -1 : 0;
}

static int take_file(long n) { return (void)n, open("/dev/null", O_RDONLY) < 0 ? -1 : 0; }

static int take_pipe(long n) {
  int pair[2];
  (void)n;
  if (pipe(pair) < 0) return -1;
  errno = ENOBUFS;
  return fcntl(pair[0], F_GETPIPE_SZ) < 65536 ? -1 : 0;
}

static int add_key(long n, size_t size) {
  static char bytes[BIG_KEY];
  char name[PATH];
  snprintf(name, sizeof name, "%d-%ld", getpid(), n);
  return syscall(SYS_add_key, "user", name, bytes, size, -3 /* the session's */) < 0 ? -1 : 0;
}
static int take_key(long n) { return add_key(n, 1); }
static int take_key_bytes(long n) {
  int result = -1;
  for (size_t size = BIG_KEY; result < 0 && size > 0; size /= 2) result = add_key(n, size);
  return result;
}

static int take_signal(long n) {
  sigset_t all;
  sigfillset(&all);
  if (n == 0) sigprocmask(SIG_BLOCK, &all, NULL);
  return sigqueue(getpid(), SIGRTMIN, (union sigval){0});
}

static int take_timer(long n) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
  return (void)n, timer_create(CLOCK_MONOTONIC, &event, &timer);
}

static int take_queue(long n) {
  char name[PATH];
  snprintf(name, sizeof name, "/hog-%d-%ld", getpid(), n);
  return mq_open(name, O_CREAT | O_RDWR, 0600, NULL) < 0 ? -1 : 0;
}

static int take_aio(long n) {
  aio_context_t context = 0;
  return (void)n, (int)syscall(SYS_io_setup, AIO_EVENTS, &context);
}

static int take_lock(long n) {
  static int file = -1;
  char path[PATH];
  if (n % LOCKS == 0) {
    snprintf(path, sizeof path, "%s/locked-%d-%ld", directory, getpid(), n / LOCKS);
    if ((file = open(path, O_CREAT | O_RDWR, 0600)) < 0) return -1;
  }
  struct flock lock = {.l_type = F_WRLCK, .l_start = (LOCKS - n % LOCKS) * 2, .l_len = 1};
  return fcntl(file, F_SETLK, &lock);
}

static int take_process(long n) {
  pid_t child = fork();
  if (child == 0) pause(), _exit(0);
  return (void)n, child < 0 ? -1 : 0;
}

static int take_cgroup(long n) {
  char path[PATH];
  snprintf(path, sizeof path, "/sys/fs/cgroup/%d-%ld", getpid(), n);
  return mkdir(path, 0755);
}

static int take_inode(long n) {
  char path[PATH];
  snprintf(path, sizeof path, "%s/%d-%ld", directory, getpid(), n);
  return mknod(path, S_IFREG | 0600, 0);
}

static int take_block(long n) {
  static int file = -1;
  static char block[4096];
  char path[PATH];
  snprintf(path, sizeof path, "%s/%d", directory, getpid());
  if (n == 0) file = open(path, O_CREAT | O_WRONLY, 0600);
  return write(file, block, sizeof block) < 0 ? -1 : 0;
}

static int take_socket(long n) {
  static char bytes[16384];
  int pair[2];
  (void)n;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0) return -1;
  while (write(pair[0], bytes, sizeof bytes) > 0) continue;
  return 0;
}

static int take_vsock(long n) {
  struct { /* struct sockaddr_vm */
    unsigned short family, reserved;
    unsigned port, cid;
    unsigned char zero[4];
  } address = {.family = AF_VSOCK, .port = 60000 + (unsigned)n, .cid = 2};
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) return -1;
  return 0;
}

/* These take time instead of a number of objects, and run until they are killed. */
static int spin(long n) {
  unsigned long turns = (unsigned long)n;
  for (int i = 0; i < 1 << 30; i++) __asm__ volatile("" : "+r"(turns));
  return 0;
}
static int flood(long n) {
  static char line[4096];
  memset(line, 'x', sizeof line);
  return (void)n, write(STDERR_FILENO, line, sizeof line) < 0 ? -1 : 0;
}
static int end_often(long n) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, NULL, 0);
  return (void)n, 0;
}
static int eat_often(long n) {
  pid_t child = fork();
  if (child == 0) {
    for (;;) memset(malloc(1 << 20), 1, 1 << 20);
  }
  waitpid(child, NULL, 0);
  return (void)n, 0;
}

static const struct {
  const char *name;
  int (*take)(long);
} RESOURCES[] = {
    {"aio", take_aio},
    {"block", take_block},
    {"cgroup", take_cgroup},
    {"cgroup-ns", take_cgroup_ns},
    {"epoll", take_epoll},
    {"exits", end_often},
    {"file", take_file},
    {"flood", flood},
    {"inode", take_inode},
    {"inotify", take_inotify},
    {"inotify-instance", take_instance},
    {"ipc-ns", take_ipc_ns},
    {"key", take_key},
    {"key-bytes", take_key_bytes},
    {"lock", take_lock},
    {"mount-ns", take_mount_ns},
    {"net-ns", take_net_ns},
    {"oom", eat_often},
    {"own-pty", take_own_pty},
    {"pid-ns", take_pid_ns},
    {"pipe", take_pipe},
    {"process", take_process},
    {"pty", take_pty},
    {"queue", take_queue},
    {"signal", take_signal},
    {"socket", take_socket},
    {"spin", spin},
    {"timer", take_timer},
    {"user-ns", take_user_ns},
    {"uts-ns", take_uts_ns},
    {"vsock", take_vsock},
};

static void work(int (*take)(long)) {
  const struct timespec pause = {.tv_nsec = 20000000};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (long n = 0;;) {
    if (shared->taken < most && take(n) == 0) {
      n++;
      __sync_fetch_and_add(&shared->taken, 1);
      continue;
    }
    if (shared->taken < most && (n == 0 || errno != EMFILE || take == take_instance || take == take_inotify)) shared->error = errno;
    nanosleep(&pause, NULL);
  }
}

int main(int count, char **words) {
  int (*take)(long) = NULL;
  const struct timespec pause = {.tv_nsec = 20000000};
  for (size_t i = 0; count > 1 && i < sizeof RESOURCES / sizeof *RESOURCES; i++) {
    if (strcmp(RESOURCES[i].name, words[1]) == 0) take = RESOURCES[i].take;
  }
  if (take == NULL) return 2;
  int workers = count > 2 ? atoi(words[2]) : 1;
  if (count > 3) most = atol(words[3]);
  if (count > 4) directory = words[4];
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < workers; i++) {
    if (fork() == 0) work(take);
  }
  long before = -1;
  for (unsigned still = 0, turns = 0; still < 25 && turns < TURNS && shared->taken < most; turns++, nanosleep(&pause, NULL)) {
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    still = shared->taken == before ? still + 1 : 0;
    before = shared->taken;
  }
  printf("%ld %s\n", shared->taken, shared->error == 0 ? "-" : strerrorname_np(shared->error));
  fflush(stdout);
  for (;;) sleep(1000);
}
