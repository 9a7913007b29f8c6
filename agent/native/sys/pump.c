/*
 * class Pump: moves bytes from one stream socket to another within the kernel, through a pipe, as they arrive. JavaScript
 * runs again only at the end, or if a socket fails.
 *
 * The caller's memory outlives the process. A count there says how many bytes have left the pipe. A move out of the pipe is
 * noted before it begins, so that the pipe's content tells a killed process's successor how far the move got.
 */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "poll.h"

/* Most bytes of one splice into the pipe. */
#define FILL_BYTES (1 << 20)
/* Bytes after which other work has its turn. */
#define BURST_BYTES (1 << 18)

/* A move out of the pipe: what the pipe had before, 0 for no move; the number of the count; the count before. */
struct note {
  double held, at, base;
};

struct pump {
  struct poll poll; /* of `set` */
  volatile struct note *note;
  volatile double *count;
  napi_ref memory[2];
  double at;
  double limit; /* the count at which it ends */
  int from, pipe, to;
  int set;     /* an epoll set with the one socket that is waited for */
  int awaited; /* that socket, or -1 */
  size_t held; /* bytes in the pipe */
  size_t most; /* of one splice out of the pipe */
  long failed; /* -errno if the pump can't be started */
  bool ended;  /* the source has */
};

static bool is_done(const struct pump *pump) {
  return pump->held == 0 && (pump->ended || *pump->count >= pump->limit);
}

/* Waits for one socket only: the other one may be ready, or hung up, all the time. */
static long await(struct pump *pump, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (pump->awaited == fd) return 0;
  if (pump->awaited >= 0) epoll_ctl(pump->set, EPOLL_CTL_DEL, pump->awaited, &event);
  pump->awaited = -1;
  long status = SYS_RETRY(epoll_ctl(pump->set, EPOLL_CTL_ADD, fd, &event));
  if (status == 0) pump->awaited = fd;
  return status;
}

static long await_next(struct pump *pump) {
  return pump->held > 0 ? await(pump, pump->to, EPOLLOUT) : await(pump, pump->from, EPOLLIN);
}

static long move(int from, int to, size_t length) {
  return SYS_RETRY(splice(from, NULL, to, NULL, length, SPLICE_F_NONBLOCK));
}

/* Fills the pipe. Returns 0 or -errno. */
static long fill(struct pump *pump) {
  long got = pump->ended ? -EAGAIN : move(pump->from, pump->pipe, FILL_BYTES);
  if (got == 0) pump->ended = true;
  if (got > 0) pump->held += (size_t)got;
  return got < 0 && got != -EAGAIN ? got : 0;
}

/* Moves bytes out of the pipe. Returns their number or -errno. `held` of the note is written last, and alone makes it count. */
static long empty(struct pump *pump) {
  pump->note->at = pump->at;
  pump->note->base = *pump->count;
  pump->note->held = (double)pump->held;
  long moved = move(pump->pipe, pump->to, pump->held < pump->most ? pump->held : pump->most);
  if (moved > 0) {
    *pump->count += (double)moved;
    pump->held -= (size_t)moved;
  }
  pump->note->held = 0;
  return moved == 0 ? -EIO : moved; /* it would go round for ever if the pipe were empty */
}

/* Moves until a socket must be waited for, or others have their turn. Returns 1 at the end, 0 or -errno. */
static long run(struct pump *pump) {
  for (long left = BURST_BYTES; left > 0;) {
    long status = fill(pump);
    if (status < 0 || pump->held == 0) return status < 0 ? status : is_done(pump) ? 1 : await_next(pump);
    while (pump->held > 0) {
      long moved = empty(pump);
      if (moved < 0) return moved == -EAGAIN ? await_next(pump) : moved;
      left -= moved;
    }
  }
  return is_done(pump) ? 1 : await_next(pump);
}

static void on_events(struct poll *poll, int status, int events) {
  (void)events;
  struct pump *pump = (struct pump *)poll;
  long outcome = status < 0 ? status : run(pump);
  if (outcome == 0) return;
  poll_call_back(poll, outcome < 0 ? (int)outcome : 0, pump->ended);
}

static void on_free(napi_env env, struct poll *poll) {
  struct pump *pump = (struct pump *)poll;
  for (size_t i = 0; i < 2; i++)
    if (pump->memory[i] != NULL) napi_delete_reference(env, pump->memory[i]);
  if (pump->set >= 0) close(pump->set);
}

/* Borrows the memory of a Float64Array for as long as the object lives. */
static bool take_doubles(struct args *args, struct pump *pump, size_t index, size_t least, volatile void **out) {
  napi_value array = args->value[args->next];
  double *data;
  if (!arg_doubles(args, "memory", least, &data)) return false;
  *out = data;
  return napi_create_reference(args->env, array, 1, &pump->memory[index]) == napi_ok;
}

/*
 * new Pump([from, pipe, to], most, note: Float64Array, count: Float64Array, at, callback(status, ended)): see struct pump.
 * The sockets and the pipe must be non-blocking.
 */
static napi_value pump_new(napi_env env, napi_callback_info info) {
  struct args args;
  napi_value callback;
  int fds[RIGHTS_MAX];
  size_t count;
  int64_t most, at;
  if (!poll_is_new(env, info, "Pump") || !args_begin(&args, env, info, 6)) return NULL;
  struct pump *pump = work_new(env, sizeof(*pump));
  if (pump == NULL) return NULL;
  *pump = (struct pump){.poll = {.on_events = on_events, .on_free = on_free}, .limit = INFINITY, .set = -1, .awaited = -1};
  int held = 0;
  if (!arg_fds(&args, "descriptors", fds, &count) || (count != 3 && !type_error(env, "descriptors", "three")) ||
      !arg_int(&args, "most", 1, FILL_BYTES, &most) ||
      !take_doubles(&args, pump, 0, 3, (volatile void **)&pump->note) ||
      !take_doubles(&args, pump, 1, 1, (volatile void **)&pump->count) || !arg_int(&args, "at", 0, INT_MAX, &at) ||
      !arg_function(&args, "callback", &callback))
    goto fail;
  pump->from = fds[0];
  pump->pipe = fds[1];
  pump->to = fds[2];
  pump->most = (size_t)most;
  pump->at = (double)at;
  pump->failed = SYS_RETRY(ioctl(pump->pipe, FIONREAD, &held));
  pump->held = (size_t)held;
  pump->set = epoll_create1(EPOLL_CLOEXEC);
  if (pump->set < 0) pump->failed = -errno;
  if (poll_wrap(&args, &pump->poll, pump->set, callback)) return args.self;
fail:
  on_free(env, &pump->poll);
  free(pump);
  return NULL;
}

static struct pump *this_pump(struct args *args) {
  struct pump *pump = NULL;
  if (napi_unwrap(args->env, args->self, (void **)&pump) == napi_ok && pump != NULL) return pump;
  type_error(args->env, "this", "a Pump");
  return NULL;
}

/* start(): moves from the next turn of the event loop on; 0 or -errno */
static napi_value call_start(napi_env env, napi_callback_info info) {
  struct args args;
  struct pump *pump;
  if (!args_begin(&args, env, info, 0) || (pump = this_pump(&args)) == NULL) return NULL;
  if (pump->failed < 0) return result(env, pump->failed);
  if (pump->set < 0) return result(env, -EBADF); /* closed */
  long status = await_next(pump);
  return result(env, status < 0 ? status : poll_start(&pump->poll, EPOLLIN));
}

/* endAt(count): ends once so many bytes were moved; 1 if they are, and the callback isn't called, else 0 */
static napi_value call_end_at(napi_env env, napi_callback_info info) {
  struct args args;
  struct pump *pump;
  int64_t limit;
  if (!args_begin(&args, env, info, 1) || (pump = this_pump(&args)) == NULL ||
      !arg_int(&args, "count", 0, 1LL << 53, &limit))
    return NULL;
  pump->limit = (double)limit;
  return result(env, is_done(pump));
}

/* close(): stops moving; idempotent, and allowed in the callback */
static napi_value call_close(napi_env env, napi_callback_info info) {
  struct args args;
  struct pump *pump;
  if (!args_begin(&args, env, info, 0) || (pump = this_pump(&args)) == NULL) return NULL;
  poll_close(&pump->poll);
  if (pump->set >= 0) close(pump->set);
  pump->set = -1;
  return result(env, 0);
}

napi_status pump_register(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      {.utf8name = "start", .method = call_start, .attributes = napi_default_method},
      {.utf8name = "endAt", .method = call_end_at, .attributes = napi_default_method},
      {.utf8name = "close", .method = call_close, .attributes = napi_default_method},
  };
  napi_value class;
  napi_status status = napi_define_class(env, "Pump", NAPI_AUTO_LENGTH, pump_new, NULL, 3, methods, &class);
  return status == napi_ok ? napi_set_named_property(env, exports, "Pump", class) : status;
}
