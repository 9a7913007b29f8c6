/* Reads a sequence of plans (u32 length, u32 slots, bytes) and prints the result of plan_check for each. */
#include "../../agent/native/init/plan.h"
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  uint32_t header[2];
  while (fread(header, sizeof header, 1, stdin) == 1) {
    struct plan plan;
    uint32_t bad = 0;
    void *bytes = malloc(header[0] + 1); /* the exact size, so that ASan catches overruns */
    if (bytes == NULL || fread(bytes, 1, header[0], stdin) != header[0]) return 1;
    int result = plan_check(bytes, header[0], header[1], &plan, &bad);
    printf("%d %u\n", result, bad);
    free(bytes);
  }
  return 0;
}
