/*
 * class Poll: readiness of one descriptor on Node's event loop.
 *
 * All Polls share one epoll set, which libuv watches as a single descriptor. libuv aborts the process if the kernel
 * refuses a watch, as it does once fs.epoll.max_user_watches is used up. With its own set, start() returns the refusal;
 * changing the events of a watch needs no memory and cannot be refused.
 *
 * A Poll does not own its descriptor, which it makes non-blocking: the owner calls close() before closing it. A
 * descriptor can have one Poll. A nested set polls each file twice, so files whose state changes by polling, such as
 * /proc/mounts, are unsupported. An error condition (a pipe without a reader) is reported as status -EBADF.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <uv.h>

#include "poll.h"

/* In `events`, beside libuv's bits: report changes only. */
#define EDGES 4

/* The most callbacks in one turn of the event loop; the rest follow in the next. */
#define BATCH 64

/* Shared by all Polls of an environment; freed when both the environment and the handle are gone. */
struct poll_env {
  napi_env env;
  uv_poll_t handle;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  int set;
  struct poll **by_fd; /* the started ones */
  size_t size, started;
  struct epoll_event batch[BATCH]; /* being dispatched; -1 as data.fd if the Poll was stopped meanwhile */
  int ready;
  bool ending, closed, finalized;
};

static void env_release(struct poll_env *owner) {
  if (!owner->closed) return;
  if (owner->ending && owner->hook != NULL) {
    napi_remove_async_cleanup_hook(owner->hook);
    owner->hook = NULL;
  }
  if (!owner->finalized) return;
  free(owner->by_fd);
  free(owner);
}

static void on_closed(uv_handle_t *handle) {
  struct poll_env *owner = handle->data;
  close(owner->set);
  owner->closed = true;
  env_release(owner);
}

static void drop_callback(napi_env env, struct poll *poll) {
  if (poll->callback != NULL) napi_delete_reference(env, poll->callback);
  poll->callback = NULL;
}

static struct poll *poll_of(const struct poll_env *owner, int fd) {
  return fd >= 0 && (size_t)fd < owner->size ? owner->by_fd[fd] : NULL;
}

static bool make_room(struct poll_env *owner, int fd) {
  size_t size = owner->size == 0 ? 64 : owner->size;
  while (size <= (size_t)fd) size *= 2;
  if (size == owner->size) return true;
  struct poll **grown = realloc(owner->by_fd, size * sizeof(*grown));
  if (grown == NULL) return false;
  memset(grown + owner->size, 0, (size - owner->size) * sizeof(*grown));
  owner->by_fd = grown;
  owner->size = size;
  return true;
}

/* Adds a Poll to the set. The table grows only once epoll has accepted the descriptor as open. */
static long enter_set(struct poll *poll, uint32_t events) {
  struct poll_env *owner = poll->owner;
  struct epoll_event event = {.events = events, .data.fd = poll->fd};
  int on = 1;
  if (poll_of(owner, poll->fd) != NULL) return -EEXIST;
  long status = SYS_RETRY(epoll_ctl(owner->set, EPOLL_CTL_ADD, poll->fd, &event));
  /* A descriptor of this number was closed before its Poll. */
  if (status == -EEXIST) status = SYS_RETRY(epoll_ctl(owner->set, EPOLL_CTL_MOD, poll->fd, &event));
  if (status < 0) return status;
  status = make_room(owner, poll->fd) ? SYS_RETRY(ioctl(poll->fd, FIONBIO, &on)) : -ENOMEM;
  if (status < 0) {
    epoll_ctl(owner->set, EPOLL_CTL_DEL, poll->fd, &event);
    return status;
  }
  owner->by_fd[poll->fd] = poll;
  if (owner->started++ == 0) uv_ref((uv_handle_t *)&owner->handle);
  napi_reference_ref(owner->env, poll->self, NULL);
  poll->events = events;
  return 0;
}

static void leave_set(struct poll *poll) {
  struct poll_env *owner = poll->owner;
  struct epoll_event unused = {0};
  if (poll->events == 0) return;
  poll->events = 0;
  epoll_ctl(owner->set, EPOLL_CTL_DEL, poll->fd, &unused);
  owner->by_fd[poll->fd] = NULL;
  for (int i = 0; i < owner->ready; i++)
    if (owner->batch[i].data.fd == poll->fd) owner->batch[i].data.fd = -1;
  if (--owner->started == 0) uv_unref((uv_handle_t *)&owner->handle);
  napi_reference_unref(owner->env, poll->self, NULL);
}

void poll_close(struct poll *poll) {
  drop_callback(poll->owner->env, poll);
  leave_set(poll);
  poll->closed = true;
}

/* Runs when the environment ends: the handle must be closed before the loop is gone. */
static void on_env_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  struct poll_env *owner = data;
  (void)hook;
  owner->ending = true;
  for (size_t fd = 0; fd < owner->size; fd++)
    if (owner->by_fd[fd] != NULL) poll_close(owner->by_fd[fd]);
  uv_close((uv_handle_t *)&owner->handle, on_closed);
}

static void on_env_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct poll_env *owner = data;
  owner->finalized = true;
  env_release(owner);
}

/* May run after on_env_finalize when the environment ends, so it must not touch the owner. */
static void poll_free(napi_env env, void *data, void *hint) {
  (void)hint;
  struct poll *poll = data;
  if (poll->on_free != NULL) poll->on_free(env, poll);
  drop_callback(env, poll);
  if (poll->self != NULL) napi_delete_reference(env, poll->self);
  free(poll);
}

static uint32_t to_epoll(int64_t wanted) {
  return (wanted & UV_READABLE ? EPOLLIN : 0u) | (wanted & UV_WRITABLE ? EPOLLOUT : 0u) | (wanted & EDGES ? EPOLLET : 0u);
}

static int from_epoll(uint32_t events) {
  return (events & EPOLLIN ? UV_READABLE : 0) | (events & EPOLLOUT ? UV_WRITABLE : 0);
}

void poll_call_back(struct poll *poll, int status, int events) {
  struct poll_env *owner = poll->owner;
  napi_env env = owner->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self = NULL, callback = NULL, error;
  napi_value values[3] = {result(env, status), result(env, events), result(env, poll->fd)};
  napi_get_reference_value(env, poll->self, &self);
  napi_get_reference_value(env, poll->callback, &callback);
  bool pending = false;
  if (self != NULL && callback != NULL &&
      napi_make_callback(env, owner->context, self, callback, 3, values, NULL) != napi_ok &&
      napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
  /* The callback may have closed this Poll; do not touch it. */
  napi_close_handle_scope(env, scope);
}

static void on_event(struct poll *poll, uint32_t happened) {
  uint32_t events = happened & (poll->events | EPOLLERR | EPOLLHUP);
  if (events == EPOLLHUP) events = poll->events; /* the reader or writer sees it in its next call */
  if (events & EPOLLERR)
    poll->on_events(poll, UV_EBADF, 0);
  else if (events & poll->events)
    poll->on_events(poll, 0, from_epoll(events & poll->events));
}

static void on_ready(uv_poll_t *handle, int status, int events) {
  struct poll_env *owner = handle->data;
  (void)status;
  (void)events;
  owner->ready = epoll_wait(owner->set, owner->batch, BATCH, 0);
  for (int i = 0; i < owner->ready; i++) {
    int fd = owner->batch[i].data.fd;
    struct poll *poll = poll_of(owner, fd);
    if (poll != NULL)
      on_event(poll, owner->batch[i].events);
    else if (fd >= 0)
      epoll_ctl(owner->set, EPOLL_CTL_DEL, fd, &owner->batch[i]);
  }
  owner->ready = 0;
  engine_count_round();
}

bool poll_wrap(struct args *args, struct poll *poll, int fd, napi_value callback) {
  napi_env env = args->env;
  poll->fd = fd;
  if (napi_get_instance_data(env, (void **)&poll->owner) == napi_ok && poll->owner != NULL &&
      napi_create_reference(env, callback, 1, &poll->callback) == napi_ok) {
    if (napi_wrap(env, args->self, poll, poll_free, NULL, &poll->self) == napi_ok) return true;
    napi_delete_reference(env, poll->callback);
  }
  napi_throw_error(env, NULL, "cannot create a watch");
  return false;
}

bool poll_is_new(napi_env env, napi_callback_info info, const char *name) {
  napi_value target = NULL;
  if (napi_get_new_target(env, info, &target) == napi_ok && target != NULL) return true;
  return type_error(env, name, "called with new");
}

/* new Poll(fd, callback(status, events, fd)) */
static napi_value poll_new(napi_env env, napi_callback_info info) {
  struct args args;
  napi_value callback;
  int fd;
  if (!poll_is_new(env, info, "Poll") || !args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) ||
      !arg_function(&args, "callback", &callback))
    return NULL;
  struct poll *poll = work_new(env, sizeof(*poll));
  if (poll == NULL) return NULL;
  poll->on_events = poll_call_back;
  if (poll_wrap(&args, poll, fd, callback)) return args.self;
  free(poll);
  return NULL;
}

static struct poll *this_poll(struct args *args) {
  struct poll *poll = NULL;
  if (napi_unwrap(args->env, args->self, (void **)&poll) == napi_ok && poll != NULL) return poll;
  type_error(args->env, "this", "a Poll");
  return NULL;
}

long poll_start(struct poll *poll, uint32_t events) {
  if (poll->closed || poll->owner->ending) return -ECANCELED;
  if (poll->events == 0) return enter_set(poll, events);
  struct epoll_event event = {.events = events, .data.fd = poll->fd};
  long status = SYS_RETRY(epoll_ctl(poll->owner->set, EPOLL_CTL_MOD, poll->fd, &event));
  if (status == 0) poll->events = events;
  return status;
}

/* start(events): 1 readable, 2 writable, 4 only when that changes; a later call changes the events */
static napi_value call_start(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t wanted;
  struct poll *poll;
  if (!args_begin(&args, env, info, 1) || (poll = this_poll(&args)) == NULL ||
      !arg_int(&args, "events", 1, UV_READABLE | UV_WRITABLE | EDGES, &wanted))
    return NULL;
  if (wanted != EDGES) return result(env, poll_start(poll, to_epoll(wanted)));
  type_error(env, "events", "with 1 or 2 in it");
  return NULL;
}

/* stop(): ends callbacks until the next start */
static napi_value call_stop(napi_env env, napi_callback_info info) {
  struct args args;
  struct poll *poll;
  if (!args_begin(&args, env, info, 0) || (poll = this_poll(&args)) == NULL) return NULL;
  leave_set(poll);
  return result(env, 0);
}

/* close(): ends callbacks for good; idempotent, and allowed in the callback */
static napi_value call_close(napi_env env, napi_callback_info info) {
  struct args args;
  struct poll *poll;
  if (!args_begin(&args, env, info, 0) || (poll = this_poll(&args)) == NULL) return NULL;
  poll_close(poll);
  return result(env, 0);
}

/* Adds a descriptor to libuv's set. libuv then only modifies the entry, which needs no memory. */
static long reserve(const uv_loop_t *loop, int fd) {
  struct epoll_event event = {.data.fd = fd};
  long status = SYS_RETRY(epoll_ctl(uv_backend_fd(loop), EPOLL_CTL_ADD, fd, &event));
  return status == -EEXIST ? 0 : status;
}

/*
 * reserveWatch(fd): adds this descriptor to libuv's own epoll set, where libuv would abort if it were refused. Must be
 * called after libuv's handle was created, in the same turn of the event loop.
 */
static napi_value call_reserve_watch(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uv_loop_t *loop;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return result(env, -EINVAL);
  return result(env, reserve(loop, fd));
}

/* Creates the shared set and has the loop watch it. */
static long open_set(struct poll_env *owner, uv_loop_t *loop) {
  owner->set = (int)SYS_RETRY(epoll_create1(EPOLL_CLOEXEC));
  if (owner->set < 0) return owner->set;
  long status = uv_poll_init(loop, &owner->handle, owner->set);
  if (status < 0) {
    close(owner->set);
    return status;
  }
  owner->handle.data = owner;
  status = uv_poll_start(&owner->handle, UV_READABLE, on_ready);
  if (status == 0) status = reserve(loop, owner->set);
  if (status < 0) uv_poll_stop(&owner->handle);
  uv_unref((uv_handle_t *)&owner->handle);
  return status;
}

static napi_status make_env(napi_env env) {
  napi_value name;
  uv_loop_t *loop;
  struct poll_env *owner = calloc(1, sizeof(*owner));
  if (owner == NULL) return napi_generic_failure;
  owner->env = env;
  napi_status status = napi_get_uv_event_loop(env, &loop);
  if (status == napi_ok) status = napi_create_string_utf8(env, "guestd.poll", NAPI_AUTO_LENGTH, &name);
  if (status == napi_ok) status = napi_async_init(env, NULL, name, &owner->context);
  if (status == napi_ok && open_set(owner, loop) < 0) status = napi_generic_failure;
  if (status == napi_ok) status = napi_add_async_cleanup_hook(env, on_env_cleanup, owner, &owner->hook);
  /* Leaks what exists so far: without the addon the process ends. */
  if (status != napi_ok) return status;
  return napi_set_instance_data(env, owner, on_env_finalize, NULL);
}

napi_status poll_register(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      {.utf8name = "start", .method = call_start, .attributes = napi_default_method},
      {.utf8name = "stop", .method = call_stop, .attributes = napi_default_method},
      {.utf8name = "close", .method = call_close, .attributes = napi_default_method},
  };
  napi_value class;
  napi_status status = make_env(env);
  if (status == napi_ok) status = napi_define_class(env, "Poll", NAPI_AUTO_LENGTH, poll_new, NULL, 3, methods, &class);
  if (status == napi_ok) status = napi_set_named_property(env, exports, "Poll", class);
  static const struct function table[] = {{"reserveWatch", call_reserve_watch}};
  return status == napi_ok ? REGISTER(env, exports, table) : status;
}
