/* Watches of descriptors, one for each, on Node's event loop. All of them share one epoll set. */
#pragma once

#include "sys.h"

/* The first member of a JavaScript object's memory, from calloc. Doesn't own its descriptor. */
struct poll {
  struct poll_env *owner;
  napi_ref self, callback;
  /* Called from the event loop; may close the watch. A negative status is an error condition on the descriptor. */
  void (*on_events)(struct poll *poll, int status, int events);
  /* Called before the memory is freed, when the environment's other parts may be gone; or NULL. */
  void (*on_free)(napi_env env, struct poll *poll);
  int fd;
  uint32_t events; /* of epoll; 0 if not started */
  bool closed;
};

/* Throws TypeError, and returns false, unless a constructor was called with new. */
bool poll_is_new(napi_env env, napi_callback_info info, const char *name);
/* Makes `poll` the memory of the object that is being constructed. Throws and returns false if memory is short. */
bool poll_wrap(struct args *args, struct poll *poll, int fd, napi_value callback);
/* Starts the watch for events of epoll, or changes them. Returns 0 or -errno. */
long poll_start(struct poll *poll, uint32_t events);
/* Ends the watch for good; idempotent. */
void poll_close(struct poll *poll);
/* Calls the callback with the status, the events and the descriptor. */
void poll_call_back(struct poll *poll, int status, int events);
