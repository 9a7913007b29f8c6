/* Mounts. mount, umount and openTree run on the thread pool; the rest never waits for a file system's server. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/mount.h>
#include <unistd.h>

#include "../common/linux-abi.h"
#include "sys.h"

#define OPTION_MAX 256
#define DATA_MAX 4096

struct mount_work {
  struct work work;
  char source[PATH_MAX], target[PATH_MAX], type[OPTION_MAX], data[DATA_MAX];
  unsigned long flags;
};

static int64_t run_mount(struct work *work) {
  const struct mount_work *m = (const struct mount_work *)work;
  return SYS_RETRY(syscall(SYS_mount, m->source, m->target, m->type, m->flags, m->data));
}

/* mount(source, target, type, flags, data): promise */
static napi_value call_mount(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t flags;
  struct mount_work *m = work_new(env, sizeof(*m));
  if (m == NULL) return NULL;
  if (!args_begin(&args, env, info, 5) || !arg_string(&args, "source", m->source, sizeof(m->source)) ||
      !arg_string(&args, "target", m->target, sizeof(m->target)) ||
      !arg_string(&args, "type", m->type, sizeof(m->type)) || !arg_int(&args, "flags", 0, UINT32_MAX, &flags) ||
      !arg_string(&args, "data", m->data, sizeof(m->data))) {
    free(m);
    return NULL;
  }
  m->flags = (unsigned long)flags;
  return work_start(env, &m->work, run_mount);
}

struct umount_work {
  struct work work;
  char target[PATH_MAX];
  int flags;
};

static int64_t run_umount(struct work *work) {
  const struct umount_work *u = (const struct umount_work *)work;
  return SYS_RETRY(syscall(SYS_umount2, u->target, u->flags));
}

/* umount(target, flags): promise */
static napi_value call_umount(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t flags;
  struct umount_work *u = work_new(env, sizeof(*u));
  if (u == NULL) return NULL;
  if (!args_begin(&args, env, info, 2) || !arg_string(&args, "target", u->target, sizeof(u->target)) ||
      !arg_int(&args, "flags", 0, 15, &flags)) {
    free(u);
    return NULL;
  }
  u->flags = (int)flags;
  return work_start(env, &u->work, run_umount);
}

/* Steps of a detached mount; JavaScript gets the number of the one that failed. */
enum step { STEP_FSOPEN, STEP_OPTION, STEP_CREATE, STEP_FSMOUNT };

struct detached {
  int64_t result;
  enum step step;
  char log[512];
};

/* Reads the context's messages ("e text", "w text", "i text") one by one. Copies the first error, or "". */
static void read_log(int context, char *log, size_t size) {
  ssize_t got;
  while ((got = read(context, log, size - 1)) > 0) {
    if (got < 3 || memcmp(log, "e ", 2) != 0) continue;
    memmove(log, log + 2, (size_t)got - 2);
    log[got - 2] = '\0';
    log[strcspn(log, "\n")] = '\0';
    return;
  }
  log[0] = '\0';
}

static long configure(int context, unsigned int command, const char *key, const char *value) {
  return SYS_RETRY(abi_fsconfig(context, command, key, value));
}

/* Sets each pair of the flat list; d->result is the result. Returns false if it has thrown. */
static bool apply_options(napi_env env, napi_value list, uint32_t length, int context, struct detached *d) {
  char key[OPTION_MAX], value[DATA_MAX];
  for (uint32_t i = 0; i + 1 < length && d->result >= 0; i += 2) {
    napi_value name, setting;
    napi_valuetype kind;
    if (napi_get_element(env, list, i, &name) != napi_ok || napi_get_element(env, list, i + 1, &setting) != napi_ok ||
        napi_typeof(env, setting, &kind) != napi_ok)
      return type_error(env, "options", "an array");
    if (!value_string(env, name, "option", key, sizeof(key))) return false;
    bool flag = kind == napi_null;
    if (!flag && !value_string(env, setting, "value of an option", value, sizeof(value))) return false;
    d->result = configure(context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, flag ? NULL : value);
  }
  return true;
}

static bool mount_detached(napi_env env, const char *type, napi_value options, uint32_t length, uint64_t attributes,
                           struct detached *d) {
  d->result = SYS_RETRY(abi_fsopen(type));
  if (d->result < 0) return true;
  int context = (int)d->result;
  d->step = STEP_OPTION;
  bool fine = apply_options(env, options, length, context, d);
  if (fine && d->result >= 0) {
    d->step = STEP_CREATE;
    d->result = configure(context, FSCONFIG_CMD_CREATE, NULL, NULL);
  }
  if (fine && d->result >= 0) {
    d->step = STEP_FSMOUNT;
    d->result = SYS_RETRY(abi_fsmount(context, (unsigned)attributes));
  }
  if (fine && d->result < 0) read_log(context, d->log, sizeof(d->log));
  close(context);
  return fine;
}

/*
 * detachedMount(type, options, attributes): [result, step, log]. The options are a flat list of keys and values, null
 * for a flag. The log is the kernel's own message about a failure, or "".
 */
static napi_value call_detached_mount(napi_env env, napi_callback_info info) {
  struct args args;
  char type[OPTION_MAX];
  int64_t attributes;
  uint32_t length = 0;
  if (!args_begin(&args, env, info, 3) || !arg_string(&args, "type", type, sizeof(type))) return NULL;
  napi_value options = args.value[args.next++];
  if (napi_get_array_length(env, options, &length) != napi_ok || length % 2 != 0) {
    type_error(env, "options", "an array of keys and values");
    return NULL;
  }
  if (!arg_int(&args, "attributes", 0, UINT32_MAX, &attributes)) return NULL;
  struct detached d = {.step = STEP_FSOPEN};
  if (!mount_detached(env, type, options, length, (uint64_t)attributes, &d)) return NULL;
  napi_value out, log;
  if (napi_create_array_with_length(env, 3, &out) != napi_ok ||
      napi_create_string_utf8(env, d.log, NAPI_AUTO_LENGTH, &log) != napi_ok)
    goto fail;
  if (napi_set_element(env, out, 0, result(env, d.result)) == napi_ok &&
      napi_set_element(env, out, 1, result(env, d.step)) == napi_ok && napi_set_element(env, out, 2, log) == napi_ok)
    return out;
fail:
  if (d.result >= 0) close((int)d.result);
  napi_throw_error(env, NULL, "cannot create the result of detachedMount");
  return NULL;
}

struct tree_work {
  struct work work;
  char path[PATH_MAX];
  unsigned flags;
};

static int64_t run_open_tree(struct work *work) {
  const struct tree_work *t = (const struct tree_work *)work;
  int64_t fd = open_at2(AT_FDCWD, t->path, O_PATH, ABI_RESOLVE_NO_SYMLINKS);
  if (fd < 0) return fd;
  int64_t tree = SYS_RETRY(abi_open_tree((int)fd, "", t->flags | ABI_AT_EMPTY_PATH));
  close((int)fd);
  return tree;
}

/* openTree(path, recursive): promise of a detached clone of the mount there; -ELOOP if the path has a symbolic link */
static napi_value call_open_tree(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t recursive;
  struct tree_work *t = work_new(env, sizeof(*t));
  if (t == NULL) return NULL;
  if (!args_begin(&args, env, info, 2) || !arg_string(&args, "path", t->path, sizeof(t->path)) ||
      !arg_int(&args, "recursive", 0, 1, &recursive)) {
    free(t);
    return NULL;
  }
  t->flags = ABI_OPEN_TREE_CLONE | (recursive ? ABI_AT_RECURSIVE : 0);
  return work_start(env, &t->work, run_open_tree);
}

/* idmapMount(mount, userns, recursive): maps the ids of a detached mount by a user namespace */
static napi_value call_idmap_mount(napi_env env, napi_callback_info info) {
  struct args args;
  int mount, userns;
  int64_t recursive;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "mount", &mount) || !arg_fd(&args, "userns", &userns) ||
      !arg_int(&args, "recursive", 0, 1, &recursive))
    return NULL;
  const struct abi_mount_attr attr = {.set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
  return result(env, SYS_RETRY(abi_mount_setattr(mount, recursive ? ABI_AT_RECURSIVE : 0, &attr)));
}

napi_status mounts_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"mount", call_mount},
      {"umount", call_umount},
      {"detachedMount", call_detached_mount},
      {"openTree", call_open_tree},
      {"idmapMount", call_idmap_mount},
  };
  return REGISTER(env, exports, table);
}
