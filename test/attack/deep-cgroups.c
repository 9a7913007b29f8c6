/*
 * deep-cgroups DEPTH: nests cgroups below the container's own, with names so long that no path can reach the innermost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char name[256];
  memset(name, 'n', 255);
  name[255] = '\0';
  int depth = argc > 1 ? atoi(argv[1]) : 20, made = 0;
  if (chdir("/sys/fs/cgroup") < 0) return 1;
  while (made < depth && mkdir(name, 0755) == 0 && chdir(name) == 0) made++;
  printf("%d\n", made);
  return 0;
}
