/* The device mapper: one command of its control device. TypeScript builds the request. */
#include <stdlib.h>
#include <string.h>

#include "../common/device-mapper.h"
#include "sys.h"

#define REQUEST_MAX 4096

struct mapper_work {
  struct work work;
  unsigned command;
  size_t size;
  union {
    struct abi_dm head;
    uint8_t bytes[REQUEST_MAX];
  } request;
};

static int64_t run_mapper(struct work *work) {
  struct mapper_work *m = (struct mapper_work *)work;
  int64_t status = device_mapper(m->command, &m->request.head, m->size);
  return status < 0 ? status : (int64_t)m->request.head.dev;
}

/* deviceMapper(command, request): promise of the device's number; `request` is a struct dm_ioctl and what follows it */
static napi_value call_device_mapper(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t command;
  uint8_t *bytes;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_int(&args, "command", 0, 31, &command) ||
      !arg_bytes(&args, "request", &bytes, &length))
    return NULL;
  if (length < sizeof(struct abi_dm) || length > REQUEST_MAX) {
    type_error(env, "request", "a struct dm_ioctl, and at most 4096 bytes");
    return NULL;
  }
  struct mapper_work *m = work_new(env, sizeof(*m));
  if (m == NULL) return NULL;
  m->command = (unsigned)command;
  m->size = length;
  memcpy(m->request.bytes, bytes, length);
  return work_start(env, &m->work, run_mapper);
}

napi_status mapper_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"deviceMapper", call_device_mapper}};
  return REGISTER(env, exports, table);
}
