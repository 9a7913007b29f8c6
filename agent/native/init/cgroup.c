#include "prepare.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROOT "/sys/fs/cgroup"
#define OWN ROOT "/guestd"
/* For init and the agent, which uses 13 to 45 MiB of private memory, idle and under load. */
#define MEMORY_MIN "33554432"
#define MEMORY_LOW "100663296"

static void enable_controllers(void) {
  char names[512], change[64];
  if (read_file(ROOT "/cgroup.controllers", names, sizeof names) <= 0) return;
  char *rest = NULL;
  for (char *name = strtok_r(names, " \n", &rest); name != NULL; name = strtok_r(NULL, " \n", &rest)) {
    snprintf(change, sizeof change, "+%s", name);
    int result = write_file(ROOT "/cgroup.subtree_control", change);
    if (result < 0) say("cannot enable the cgroup controller %s: %s", name, strerror(-result));
  }
}

void cgroup_prepare(const struct origin *origin) {
  if (origin->service) {
    enable_controllers();
    return;
  }
  if (mkdir(OWN, 0755) < 0 && errno != EEXIST) {
    say("cannot create " OWN ": %s", strerror(errno));
    return;
  }
  int result = write_file(OWN "/cgroup.procs", "0");
  if (result < 0) say("cannot move into " OWN ": %s", strerror(-result));
  enable_controllers();
  write_file(OWN "/memory.min", MEMORY_MIN); /* these fail without a memory controller */
  write_file(OWN "/memory.low", MEMORY_LOW);
}
