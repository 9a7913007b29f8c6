/*
 * libFuzzer target for init's decoders. The first byte is the number of descriptors (or slots), and its top bit says
 * whether the rest is a message from the agent or a launch plan. The target reads an accepted plan as the child would.
 */
#include "../../agent/native/init/message.h"
#include "../../agent/native/init/plan.h"
#include <stdlib.h>
#include <string.h>

#define PLAN_KINDS(name, kinds) kinds,
static const char *const KINDS[] = {"", PLAN_OPS(PLAN_KINDS)};

static volatile size_t seen;

static void walk_array(const struct plan *plan, uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) seen += strlen(plan->strings + plan->words[first + i]);
  seen += plan->words[first + count];
}

static void walk_op(const struct plan *plan, const struct plan_op *op) {
  unsigned at = 0;
  for (const char *kind = KINDS[op->code]; *kind != '\0'; kind++, at++) {
    if (strchr("pso", *kind) != NULL) {
      const char *text = plan_optional(plan, op->arg[at]);
      if (text != NULL) seen += strlen(text);
    }
    if (*kind == 'a' || *kind == 'A') walk_array(plan, op->arg[at], op->arg[at + 1]);
    if (*kind == 'n' || *kind == 'P') {
      for (uint32_t i = 0; i < op->arg[at + 1]; i++) seen += plan->words[op->arg[at] + i];
    }
    if (strchr("aAnqP", *kind) != NULL) at++;
  }
}

static void fuzz_plan(const uint8_t *data, size_t size, unsigned slots) {
  struct plan plan;
  uint32_t bad;
  void *copy = malloc(size + (size == 0)); /* aligned like a mapping; ASan guards its end */
  if (copy == NULL) return;
  memcpy(copy, data, size);
  if (plan_check(copy, size, slots, &plan, &bad) == 0) {
    for (uint32_t i = 0; i < plan.op_count; i++) walk_op(&plan, &plan.ops[i]);
  }
  free(copy);
}

static void fuzz_message(const uint8_t *data, size_t size, unsigned fds) {
  struct request request;
  uint8_t *copy = malloc(size + (size == 0));
  if (copy == NULL) return;
  memcpy(copy, data, size);
  if (message_parse(copy, size, fds, &request) == 0) {
    const uint8_t *bytes = request.type == LAUNCH ? request.launch.label : request.name.bytes;
    size_t length = request.type == LAUNCH ? request.launch.label_length : request.name.length;
    if (request.type == ADOPT) {
      for (size_t i = 0; i < request.adopt.label_length; i++) seen += request.adopt.label[i];
    }
    if (request.type == LAUNCH || request.type == KEEP || request.type == DROP) {
      for (size_t i = 0; i < length; i++) seen += bytes[i];
    }
    if (request.type == LAUNCH && request.launch.report_slot >= fds) abort();
  }
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  unsigned count = data[0] & 0x7f;
  if (data[0] & 0x80) {
    fuzz_message(data + 1, size - 1, count);
  } else {
    fuzz_plan(data + 1, size - 1, count);
  }
  return 0;
}
