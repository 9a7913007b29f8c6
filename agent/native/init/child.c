#include "child.h"
#include "../common/linux-abi.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAN_ROW(name, kinds) [OP_##name] = op_##name,
static plan_function *const FUNCTIONS[OP_count] = {PLAN_OPS(PLAN_ROW)};

char *const *child_strings(struct child *child, uint32_t first, uint32_t count) {
  uint64_t *words = child->plan.words + first;
  for (uint32_t i = 0; i < count; i++) words[i] = (uint64_t)(uintptr_t)(child->plan.strings + words[i]);
  return (char *const *)words;
}

void child_report(const struct child *child, uint32_t kind, int error) {
  struct {
    uint32_t kind, index;
    int32_t error;
    uint32_t text_length;
    char text[REPORT_TEXT];
  } record = {.kind = kind, .index = child->index, .error = error, .text_length = child->text_length};
  memcpy(record.text, child->text, child->text_length);
  size_t length = sizeof record - REPORT_TEXT + child->text_length;
  if (write(child->report, &record, length) < 0) return;
}

static int compare_fds(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

void child_close_others(const int *kept, unsigned count) {
  int sorted[RIGHTS_MAX];
  memcpy(sorted, kept, count * sizeof *kept);
  qsort(sorted, count, sizeof *sorted, compare_fds);
  unsigned next = STDERR_FILENO + 1;
  for (unsigned i = 0; i < count; i++) {
    if (sorted[i] < (int)next) continue;
    if ((unsigned)sorted[i] > next) abi_close_range(next, (unsigned)sorted[i] - 1);
    next = (unsigned)sorted[i] + 1;
  }
  abi_close_range(next, ~0u);
}

_Noreturn void child_run(struct child *child) {
  for (; child->index < child->plan.op_count; child->index++) {
    const struct plan_op *op = &child->plan.ops[child->index];
    int result = FUNCTIONS[op->code](child, op);
    if (result == 0) continue;
    child_report(child, REPORT_FAILED, -result);
    break;
  }
  _exit(EXIT_NOT_LAUNCHED);
}
