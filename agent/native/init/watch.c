#include "watch.h"

enum { FIRST_SHARE = 2, SHARE = 8, STEPS = 5, MOST_DOUBLED = 4, LONG_LIFE_US = 600000000 };

static struct {
  uint64_t limit_ms; /* 0: not watched */
  uint64_t born_us, due_us;
  unsigned missed;  /* wake-ups since the last heartbeat */
  unsigned doubled; /* times, because of earlier agents */
  bool was_late;    /* this agent */
} watch;

/* Waits half of the limit, then four eighths of it one by one: a heartbeat in time costs no extra wake-up. */
static void next_step(void) {
  uint64_t step_ms = (watch.limit_ms << watch.doubled) / (watch.missed == 0 ? FIRST_SHARE : SHARE);
  watch.due_us = now_us() + (step_ms + 1) * 1000;
}

void watch_begin(void) {
  if (watch.was_late && watch.doubled < MOST_DOUBLED) watch.doubled++;
  watch.was_late = false;
  watch.limit_ms = 0;
  watch.born_us = now_us();
}

void watch_heard(uint32_t limit_ms) {
  if (now_us() - watch.born_us >= LONG_LIFE_US) watch.doubled = 0;
  watch.limit_ms = limit_ms;
  watch.missed = 0;
  next_step();
}

int watch_timeout(void) {
  if (watch.limit_ms == 0) return -1;
  uint64_t now = now_us(), left_ms = now >= watch.due_us ? 0 : (watch.due_us - now + 999) / 1000;
  return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

uint64_t watch_late(void) {
  if (watch.limit_ms == 0 || now_us() < watch.due_us) return 0;
  bool late = ++watch.missed == STEPS;
  if (late) {
    watch.missed = 0;
    watch.was_late = true;
  }
  next_step();
  return late ? watch.limit_ms << watch.doubled : 0;
}
