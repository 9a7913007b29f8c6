/* Prints the options that init reads from a kernel command line, its argument. */
#include "../../agent/native/init/boot.h"
#include "../../agent/native/init/map.h"
#include "../../agent/native/init/power.h"
#include <stdio.h>

/* boot.c calls this if booting fails, which this program does not test. */
int power(bool again) { return again ? 1 : 0; }

static const char *shown(const char *value) { return value == NULL ? "-" : value; }

int main(int argc, char **argv) {
  struct boot_options options;
  if (argc != 2) return 2;
  boot_options_parse(argv[1], &options);
  printf("%s %s %s %s", shown(options.root), shown(options.type), shown(options.flags), options.writable ? "rw" : "ro");
  if (options.mapping != NULL) {
    struct mapping mapping;
    if (mapping_parse(options.mapping, &mapping) < 0) {
      printf(" refused");
    } else {
      printf(" %s|%llu+%llu|%s|%s|%s", mapping.name, (unsigned long long)mapping.start,
             (unsigned long long)mapping.sectors, mapping.type, mapping.parameters, mapping.writable ? "rw" : "ro");
    }
  }
  printf("\n");
  return 0;
}
