/* Runs a fuzz target on each file named on standard input, one name per line, and prints their number. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(void) {
  char path[4096];
  unsigned count = 0;
  uint8_t *all = malloc(MOST);
  while (all != NULL && fgets(path, sizeof path, stdin) != NULL) {
    path[strcspn(path, "\n")] = '\0';
    fprintf(stderr, "%s\n", path); /* after a failure, the last line names its input */
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 1;
    size_t size = fread(all, 1, MOST, file);
    fclose(file);
    uint8_t *data = malloc(size + (size == 0)); /* the exact size, so that ASan catches overruns */
    if (data == NULL) return 1;
    memcpy(data, all, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    count++;
  }
  free(all);
  printf("%u\n", count);
  return 0;
}
