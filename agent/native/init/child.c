#include "child.h"
#include "../common/linux-abi.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
  } record = {.kind = kind, .index = child->index, .error = error};
  bool ready = kind == REPORT_READY;
  record.text_length = ready ? child->measured * (uint32_t)sizeof *child->micros : child->text_length;
  memcpy(record.text, ready ? (const void *)child->micros : child->text, record.text_length);
  size_t length = sizeof record - REPORT_TEXT + record.text_length;
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

/* Microseconds on the clock that no time namespace shifts. */
static uint64_t real_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* Notes the duration of the operation that has ended. `begun` is when it began, and becomes the present time. */
static void note_duration(struct child *child, uint64_t *begun) {
  uint64_t now = real_us();
  uint64_t micros = now > *begun ? now - *begun : 0; /* the host may set the clock back */
  child->micros[child->measured++] = micros < UINT16_MAX ? (uint16_t)micros : UINT16_MAX;
  *begun = now;
}

_Noreturn void child_run(struct child *child) {
  uint64_t begun = real_us();
  bool measures = true;
  for (; child->index < child->plan.op_count; child->index++) {
    const struct plan_op *op = &child->plan.ops[child->index];
    int result = FUNCTIONS[op->code](child, op);
    if (op->code == OP_seccomp) measures = false; /* the filter may forbid reading the clock */
    if (result == 0) {
      if (measures && child->measured < MAX_MEASURED) note_duration(child, &begun);
      continue;
    }
    child_report(child, REPORT_FAILED, -result);
    break;
  }
  _exit(EXIT_NOT_LAUNCHED);
}
