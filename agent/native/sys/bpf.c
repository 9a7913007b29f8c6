/* Device filters: BPF programs that decide which devices the processes of a cgroup may open or create. */
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

/* The kernel's limit for root since 5.2; BPF_MAXINSNS is the older, smaller one. */
#define MAX_INSTRUCTIONS 1000000
/* The verifier fails with EAGAIN while a signal is pending, and a profiler may send one every millisecond. */
#define LOAD_ATTEMPTS 100

static int64_t bpf(enum bpf_cmd command, union bpf_attr *attr) {
  return SYS_RETRY(syscall(SYS_bpf, command, attr, sizeof(*attr)));
}

/* loadDeviceFilter(instructions): descriptor of a new BPF_PROG_TYPE_CGROUP_DEVICE program */
static napi_value call_load(napi_env env, napi_callback_info info) {
  struct args args;
  uint8_t *code;
  size_t length;
  union bpf_attr attr;
  if (!args_begin(&args, env, info, 1) || !arg_bytes(&args, "instructions", &code, &length)) return NULL;
  size_t count = length / sizeof(struct bpf_insn);
  if (count == 0 || count > MAX_INSTRUCTIONS || count * sizeof(struct bpf_insn) != length) return result(env, -EINVAL);
  memset(&attr, 0, sizeof(attr));
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uintptr_t)code;
  attr.insn_cnt = (uint32_t)count;
  attr.license = (uintptr_t) "Apache-2.0";
  memcpy(attr.prog_name, "guestd_devices", sizeof("guestd_devices"));
  int64_t program = -EAGAIN;
  for (int attempt = 0; program == -EAGAIN && attempt < LOAD_ATTEMPTS; attempt++) program = bpf(BPF_PROG_LOAD, &attr);
  return result(env, program);
}

static napi_value attach(napi_env env, int cgroup, int program, uint32_t flags, int replaced) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof(attr));
  attr.target_fd = (uint32_t)cgroup;
  attr.attach_bpf_fd = (uint32_t)program;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI | flags;
  attr.replace_bpf_fd = (uint32_t)replaced;
  return result(env, bpf(BPF_PROG_ATTACH, &attr));
}

/* attachDeviceFilter(cgroup, program): adds it to the programs of this cgroup and those above and below */
static napi_value call_attach(napi_env env, napi_callback_info info) {
  struct args args;
  int cgroup, program;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "cgroup", &cgroup) || !arg_fd(&args, "program", &program))
    return NULL;
  return attach(env, cgroup, program, 0, 0);
}

/* replaceDeviceFilter(cgroup, program, replaced): attaches it in place of another */
static napi_value call_replace(napi_env env, napi_callback_info info) {
  struct args args;
  int cgroup, program, replaced;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "cgroup", &cgroup) || !arg_fd(&args, "program", &program) ||
      !arg_fd(&args, "replaced", &replaced))
    return NULL;
  return attach(env, cgroup, program, BPF_F_REPLACE, replaced);
}

/* attachedDeviceFilter(cgroup): descriptor of the program attached first, or -ENOENT */
static napi_value call_attached(napi_env env, napi_callback_info info) {
  struct args args;
  int cgroup;
  uint32_t first = 0;
  union bpf_attr attr;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "cgroup", &cgroup)) return NULL;
  memset(&attr, 0, sizeof(attr));
  attr.query.target_fd = (uint32_t)cgroup;
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = (uintptr_t)&first;
  attr.query.prog_cnt = 1;
  int64_t found = bpf(BPF_PROG_QUERY, &attr);
  if (found < 0 && found != -ENOSPC) return result(env, found); /* ENOSPC: the cgroup has more programs */
  if (first == 0) return result(env, -ENOENT);
  memset(&attr, 0, sizeof(attr));
  attr.prog_id = first;
  return result(env, bpf(BPF_PROG_GET_FD_BY_ID, &attr));
}

napi_status bpf_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"loadDeviceFilter", call_load},
      {"attachDeviceFilter", call_attach},
      {"replaceDeviceFilter", call_replace},
      {"attachedDeviceFilter", call_attached},
  };
  return REGISTER(env, exports, table);
}
