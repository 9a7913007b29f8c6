/*
 * class Poll: readiness of one descriptor on Node's own event loop (uv_poll_t). It holds no descriptor; whoever owns
 * the descriptor calls close() first. libuv allows one handle per descriptor, makes it non-blocking, and reports an
 * error condition (a pipe whose reader is gone) as status -EBADF, after which the handle is stopped.
 */
#include <stdlib.h>

#include <uv.h>

#include "sys.h"

/* What all Polls of an environment share; freed when the environment and the last handle are gone. */
struct poll_env {
  napi_env env;
  uv_loop_t *loop;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  struct poll *open;
  size_t handles;
  bool ending;
  bool finalized;
};

struct poll {
  uv_poll_t handle;
  struct poll_env *owner;
  struct poll *previous, *next;
  napi_ref self, callback;
  int fd;
  enum { POLL_NEW, POLL_OPEN, POLL_CLOSING, POLL_CLOSED } state;
  bool finalized;
};

static void env_release(struct poll_env *owner) {
  if (owner->handles > 0) return;
  if (owner->ending && owner->hook != NULL) {
    napi_remove_async_cleanup_hook(owner->hook);
    owner->hook = NULL;
  }
  if (owner->finalized) free(owner);
}

static void on_closed(uv_handle_t *handle) {
  struct poll *poll = handle->data;
  struct poll_env *owner = poll->owner;
  poll->state = POLL_CLOSED;
  owner->handles--;
  if (poll->finalized) free(poll);
  env_release(owner);
}

static void drop_callback(napi_env env, struct poll *poll) {
  if (poll->callback != NULL) napi_delete_reference(env, poll->callback);
  poll->callback = NULL;
}

static void close_poll(struct poll *poll) {
  struct poll_env *owner = poll->owner;
  drop_callback(owner->env, poll);
  if (poll->state != POLL_OPEN) {
    if (poll->state == POLL_NEW) poll->state = POLL_CLOSED;
    return;
  }
  poll->state = POLL_CLOSING;
  if (poll->previous != NULL)
    poll->previous->next = poll->next;
  else
    owner->open = poll->next;
  if (poll->next != NULL) poll->next->previous = poll->previous;
  uv_close((uv_handle_t *)&poll->handle, on_closed);
  napi_reference_unref(owner->env, poll->self, NULL);
}

/* The environment ends: every handle is closed before the loop goes. */
static void on_env_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  struct poll_env *owner = data;
  (void)hook;
  owner->ending = true;
  while (owner->open != NULL) close_poll(owner->open);
  env_release(owner);
}

static void on_env_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct poll_env *owner = data;
  owner->finalized = true;
  env_release(owner);
}

/* At the end of an environment this may run after on_env_finalize: the owner is not to be touched. */
static void on_poll_finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  struct poll *poll = data;
  drop_callback(env, poll);
  if (poll->self != NULL) napi_delete_reference(env, poll->self);
  poll->self = NULL;
  poll->finalized = true;
  if (poll->state == POLL_NEW || poll->state == POLL_CLOSED) free(poll);
}

static void on_event(uv_poll_t *handle, int status, int events) {
  struct poll *poll = handle->data;
  napi_env env = poll->owner->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self = NULL, callback = NULL, error;
  napi_value values[2] = {result(env, status), result(env, events)};
  napi_get_reference_value(env, poll->self, &self);
  napi_get_reference_value(env, poll->callback, &callback);
  bool pending = false;
  if (self != NULL && callback != NULL &&
      napi_make_callback(env, poll->owner->context, self, callback, 2, values, NULL) != napi_ok &&
      napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
  /* The callback may have closed this Poll: it is not touched here any more. */
  napi_close_handle_scope(env, scope);
}

/* new Poll(fd, callback(status, events)) */
static napi_value poll_new(napi_env env, napi_callback_info info) {
  struct args args;
  napi_value target = NULL, callback;
  int fd;
  if (napi_get_new_target(env, info, &target) != napi_ok || target == NULL) {
    type_error(env, "Poll", "called with new");
    return NULL;
  }
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_function(&args, "callback", &callback))
    return NULL;
  struct poll *poll = calloc(1, sizeof(*poll));
  if (poll == NULL) goto fail;
  poll->fd = fd;
  if (napi_get_instance_data(env, (void **)&poll->owner) != napi_ok || poll->owner == NULL ||
      napi_create_reference(env, callback, 1, &poll->callback) != napi_ok)
    goto fail;
  if (napi_wrap(env, args.self, poll, on_poll_finalize, NULL, &poll->self) == napi_ok) return args.self;
  napi_delete_reference(env, poll->callback);
fail:
  free(poll);
  napi_throw_error(env, NULL, "cannot make a Poll");
  return NULL;
}

static struct poll *this_poll(struct args *args) {
  struct poll *poll = NULL;
  if (napi_unwrap(args->env, args->self, (void **)&poll) != napi_ok || poll == NULL) {
    type_error(args->env, "this", "a Poll");
    return NULL;
  }
  return poll;
}

/* The handle is made at the first start, so that its failure is a result like any other. */
static int open_handle(struct poll *poll) {
  struct poll_env *owner = poll->owner;
  if (poll->state == POLL_OPEN) return 0;
  if (poll->state != POLL_NEW || owner->ending) return -ECANCELED;
  int status = uv_poll_init(owner->loop, &poll->handle, poll->fd);
  if (status < 0) return status;
  poll->handle.data = poll;
  poll->state = POLL_OPEN;
  poll->previous = NULL;
  poll->next = owner->open;
  if (owner->open != NULL) owner->open->previous = poll;
  owner->open = poll;
  owner->handles++;
  napi_reference_ref(owner->env, poll->self, NULL);
  return 0;
}

/* start(events): 1 readable, 2 writable, 4 disconnect, 8 priority; again and again with other events */
static napi_value poll_start(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t events;
  struct poll *poll;
  if (!args_begin(&args, env, info, 1) || (poll = this_poll(&args)) == NULL ||
      !arg_int(&args, "events", 1, UV_READABLE | UV_WRITABLE | UV_DISCONNECT | UV_PRIORITIZED, &events))
    return NULL;
  int status = open_handle(poll);
  return result(env, status < 0 ? status : uv_poll_start(&poll->handle, (int)events, on_event));
}

/* stop(): no callback until the next start */
static napi_value poll_stop(napi_env env, napi_callback_info info) {
  struct args args;
  struct poll *poll;
  if (!args_begin(&args, env, info, 0) || (poll = this_poll(&args)) == NULL) return NULL;
  return result(env, poll->state == POLL_OPEN ? uv_poll_stop(&poll->handle) : 0);
}

/* close(): no callback ever again; idempotent, also within the callback */
static napi_value poll_close(napi_env env, napi_callback_info info) {
  struct args args;
  struct poll *poll;
  if (!args_begin(&args, env, info, 0) || (poll = this_poll(&args)) == NULL) return NULL;
  close_poll(poll);
  return result(env, 0);
}

static napi_status make_env(napi_env env) {
  napi_value name;
  struct poll_env *owner = calloc(1, sizeof(*owner));
  if (owner == NULL) return napi_generic_failure;
  owner->env = env;
  napi_status status = napi_get_uv_event_loop(env, &owner->loop);
  if (status == napi_ok) status = napi_create_string_utf8(env, "guestd.poll", NAPI_AUTO_LENGTH, &name);
  if (status == napi_ok) status = napi_async_init(env, NULL, name, &owner->context);
  if (status == napi_ok) status = napi_add_async_cleanup_hook(env, on_env_cleanup, owner, &owner->hook);
  if (status != napi_ok) {
    free(owner);
    return status;
  }
  return napi_set_instance_data(env, owner, on_env_finalize, NULL);
}

napi_status poll_register(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      {.utf8name = "start", .method = poll_start, .attributes = napi_default_method},
      {.utf8name = "stop", .method = poll_stop, .attributes = napi_default_method},
      {.utf8name = "close", .method = poll_close, .attributes = napi_default_method},
  };
  napi_value class;
  napi_status status = make_env(env);
  if (status == napi_ok) status = napi_define_class(env, "Poll", NAPI_AUTO_LENGTH, poll_new, NULL, 3, methods, &class);
  return status == napi_ok ? napi_set_named_property(env, exports, "Poll", class) : status;
}
