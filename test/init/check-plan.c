/* Reads plans (u32 length, u32 slots, bytes; one after the other) and prints for each what plan_check says of it. */
#include "../../agent/native/init/plan.h"
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  uint32_t header[2];
  while (fread(header, sizeof header, 1, stdin) == 1) {
    struct plan plan;
    uint32_t bad = 0;
    void *bytes = malloc(header[0] + 1); /* of this size, so that ASan sees a step beyond it */
    if (bytes == NULL || fread(bytes, 1, header[0], stdin) != header[0]) return 1;
    int result = plan_check(bytes, header[0], header[1], &plan, &bad);
    printf("%d %u\n", result, bad);
    free(bytes);
  }
  return 0;
}
