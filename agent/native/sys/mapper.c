/* The device mapper: one command of its control device. What is in a request is put together in TypeScript. */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sys.h"

#define REQUEST_MAX 4096

struct mapper_work {
  struct work work;
  unsigned long command;
  union {
    struct dm_ioctl head;
    uint8_t bytes[REQUEST_MAX];
  } request;
};

static int64_t run_mapper(struct work *work) {
  struct mapper_work *m = (struct mapper_work *)work;
  int fd = (int)SYS_RETRY(open("/dev/mapper/control", O_RDWR | O_CLOEXEC));
  if (fd < 0) return fd;
  long status = SYS_RETRY(ioctl(fd, m->command, &m->request));
  close_quietly(fd);
  return status < 0 ? status : (int64_t)m->request.head.dev;
}

/* deviceMapper(command, request): promise of the device's number; request is a struct dm_ioctl and what belongs to it */
static napi_value call_device_mapper(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t command;
  uint8_t *bytes;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_int(&args, "command", 0, 31, &command) ||
      !arg_bytes(&args, "request", &bytes, &length))
    return NULL;
  if (length < sizeof(struct dm_ioctl) || length > REQUEST_MAX) {
    type_error(env, "request", "a struct dm_ioctl, and at most 4096 bytes");
    return NULL;
  }
  struct mapper_work *m = calloc(1, sizeof(*m));
  if (m == NULL) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  memcpy(m->request.bytes, bytes, length);
  /* The kernel reads and writes as much as this says. */
  m->request.head.data_size = (uint32_t)length;
  m->command = _IOC(_IOC_READ | _IOC_WRITE, DM_IOCTL, (unsigned)command, sizeof(struct dm_ioctl));
  return work_start(env, &m->work, run_mapper);
}

napi_status mapper_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"deviceMapper", call_device_mapper}};
  return REGISTER(env, exports, table);
}
