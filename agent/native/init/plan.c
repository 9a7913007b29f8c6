#include "plan.h"
#include <errno.h>
#include <string.h>

#define PLAN_KINDS(name, kinds) [OP_##name] = kinds,
static const char *const KINDS[OP_count] = {PLAN_OPS(PLAN_KINDS)};

enum { HEADER_WORDS = 8, PATH_LIMIT = 4096 };

struct checker {
  const struct plan *plan;
  unsigned slots;
  uint64_t cursor; /* words before this one belong to earlier arrays */
};

static int check_string(const struct checker *c, uint64_t offset) {
  return offset < c->plan->string_bytes ? 0 : -EINVAL;
}

static int check_path(const struct checker *c, uint32_t offset) {
  if (check_string(c, offset) != 0) return -EINVAL;
  size_t length = strnlen(c->plan->strings + offset, PATH_LIMIT);
  return length > 0 && length < PATH_LIMIT ? 0 : -EINVAL;
}

static int check_array(struct checker *c, uint32_t first, uint32_t count, bool strings) {
  uint64_t end = c->cursor + count + (strings ? 1 : 0);
  if (first != c->cursor || end > c->plan->word_count) return -EINVAL;
  if (!strings && count > PLAN_MAX_NUMBERS) return -EINVAL;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t word = c->plan->words[first + i];
    if (strings ? check_string(c, word) != 0 : word > UINT32_MAX) return -EINVAL;
  }
  if (strings && c->plan->words[first + count] != 0) return -EINVAL;
  c->cursor = end;
  return 0;
}

static int check_data(struct checker *c, uint32_t first, uint32_t count) {
  uint64_t end = c->cursor + count;
  if (first != c->cursor || end > c->plan->word_count || count == 0 || count > PLAN_MAX_DATA) return -EINVAL;
  c->cursor = end;
  return 0;
}

static int check_argument(struct checker *c, char kind, const uint32_t *arg) {
  switch (kind) {
  case 'p': return check_path(c, *arg);
  case 's': return check_string(c, *arg);
  case 'o': return *arg == PLAN_NO_STRING ? 0 : check_string(c, *arg);
  case 'l': return *arg < c->slots ? 0 : -EINVAL;
  case 'b': return *arg <= 1 ? 0 : -EINVAL;
  case 'a': return check_array(c, arg[0], arg[1], true);
  case 'A': return arg[1] > 0 ? check_array(c, arg[0], arg[1], true) : -EINVAL;
  case 'n': return check_array(c, arg[0], arg[1], false);
  case 'P': return check_data(c, arg[0], arg[1]);
  default: return 0; /* u, q: any value */
  }
}

static unsigned places(char kind) { return strchr("qaAnP", kind) != NULL ? 2 : 1; }

static int check_op(struct checker *c, const struct plan_op *op) {
  if (op->code <= OP_none || op->code >= OP_count) return -ENOSYS;
  unsigned at = 0;
  for (const char *kind = KINDS[op->code]; *kind != '\0'; kind++) {
    int result = check_argument(c, *kind, &op->arg[at]);
    if (result != 0) return result;
    at += places(*kind);
  }
  for (; at < PLAN_ARGUMENTS; at++) {
    if (op->arg[at] != 0) return -EINVAL;
  }
  return 0;
}

/* The last operation must be `exec`, `exit` or `serve_files`, and no other may be. */
static int check_end(const struct plan *plan, uint32_t index) {
  uint32_t code = plan->ops[index].code;
  bool ends = code == OP_exec || code == OP_exit || code == OP_serve_files;
  return ends == (index == plan->op_count - 1) ? 0 : -EINVAL;
}

int plan_check(void *base, size_t size, unsigned slots, struct plan *out, uint32_t *bad) {
  const uint32_t *header = base;
  *bad = UINT32_MAX;
  if (size < HEADER_WORDS * sizeof *header || size > PLAN_MAX_BYTES || header[0] != PLAN_MAGIC) return -EBADMSG;
  if ((header[4] | header[5] | header[6] | header[7]) != 0) return -EBADMSG;
  uint64_t ops_end = HEADER_WORDS * sizeof *header + (uint64_t)header[1] * sizeof(struct plan_op);
  uint64_t words_end = ops_end + (uint64_t)header[2] * sizeof(uint64_t);
  if (header[1] == 0 || header[3] == 0 || words_end + header[3] != size) return -EBADMSG;
  *out = (struct plan){
      .ops = (const struct plan_op *)(header + HEADER_WORDS),
      .words = (uint64_t *)((char *)base + ops_end),
      .strings = (char *)base + words_end,
      .op_count = header[1],
      .word_count = header[2],
      .string_bytes = header[3],
  };
  if (out->strings[out->string_bytes - 1] != '\0') return -EBADMSG;
  struct checker c = {.plan = out, .slots = slots};
  for (uint32_t i = 0; i < out->op_count; i++) {
    int result = check_op(&c, &out->ops[i]);
    if (out->ops[i].code == OP_fork) {
      if (out->forks) result = -EINVAL; /* init can follow only one */
      out->forks = true;
    }
    if (result == 0) result = check_end(out, i);
    if (result != 0) {
      *bad = i;
      return result;
    }
  }
  if (c.cursor != out->word_count) return -EBADMSG;
  *bad = 0;
  return 0;
}

/* Skips slashes and "." components. */
static const char *next_component(const char *path) {
  for (;;) {
    while (*path == '/') path++;
    if (path[0] != '.' || (path[1] != '/' && path[1] != '\0')) return path;
    path++;
  }
}

static bool climbs(const char *path) {
  for (path = next_component(path); *path != '\0'; path = next_component(path + strcspn(path, "/"))) {
    if (strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0')) return true;
  }
  return false;
}

const char *plan_below(const char *path, const char *target) {
  if (climbs(path) || climbs(target)) return NULL;
  for (;;) {
    path = next_component(path);
    target = next_component(target);
    if (*target == '\0') return path;
    size_t length = strcspn(target, "/");
    if (strcspn(path, "/") != length || strncmp(path, target, length) != 0) return NULL;
    path += length;
    target += length;
  }
}

bool plan_goes_below(const struct plan *plan, uint32_t index, const char *target) {
  for (; index < plan->op_count; index++) {
    const struct plan_op *op = &plan->ops[index];
    unsigned at = 0;
    for (const char *kind = KINDS[op->code]; *kind != '\0'; kind++) {
      if (*kind == 'p' && plan_below(plan_string(plan, op->arg[at]), target) != NULL) return true;
      at += places(*kind);
    }
  }
  return false;
}
