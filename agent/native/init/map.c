#include "map.h"
#include "linux-abi.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define CONTROL "/dev/mapper/control"

enum { MAP_PARAMETERS = 2048 };

struct request {
  struct abi_dm head;
  struct abi_dm_target row;
  char parameters[MAP_PARAMETERS];
};

/* A decimal number and one space; moves *at behind it. */
static bool take_number(char **at, uint64_t *out) {
  char *end;
  if (**at < '0' || **at > '9') return false;
  errno = 0;
  *out = strtoull(*at, &end, 10);
  if (errno != 0 || *end != ' ') return false;
  *at = end + 1;
  return true;
}

int mapping_parse(char *text, struct mapping *out) {
  char *fields[4];
  for (int i = 0; i < 4; i++) fields[i] = strsep(&text, ",");
  if (text == NULL || fields[0][0] == '\0' || strlen(fields[0]) >= MAP_NAME) return -EINVAL;
  if (fields[1][0] != '\0' || fields[2][0] != '\0' || strpbrk(text, ",;") != NULL) return -EINVAL;
  *out = (struct mapping){.name = fields[0], .writable = strcmp(fields[3], "rw") == 0};
  if (!out->writable && strcmp(fields[3], "ro") != 0) return -EINVAL;
  while (*text == ' ') text++;
  if (!take_number(&text, &out->start) || !take_number(&text, &out->sectors) || out->sectors == 0) return -EINVAL;
  out->type = strsep(&text, " ");
  if (text == NULL || out->type[0] == '\0' || strlen(out->type) >= MAP_TYPE) return -EINVAL;
  out->parameters = text;
  return strlen(text) < MAP_PARAMETERS ? 0 : -EINVAL;
}

static int call(int control, unsigned command, struct request *request, size_t size) {
  request->head.data_size = (uint32_t)size;
  return ioctl(control, ABI_DM_COMMAND(command), request) < 0 ? -errno : 0;
}

static void name_it(struct request *request, const struct mapping *mapping) {
  memset(request, 0, sizeof *request);
  request->head.version[0] = ABI_DM_VERSION;
  request->head.data_start = sizeof request->head;
  request->head.flags = mapping->writable ? 0 : ABI_DM_READONLY;
  memcpy(request->head.name, mapping->name, strlen(mapping->name) + 1);
}

int mapping_create(const struct mapping *mapping) {
  static struct request request;
  int control = open(CONTROL, O_RDWR | O_CLOEXEC);
  if (control < 0) return -errno;
  name_it(&request, mapping);
  int result = call(control, ABI_DM_DEV_CREATE, &request, sizeof request.head);
  bool there = result == -EBUSY; /* of that name; at the other steps it means that a disk is in use */
  if (result == 0) {
    name_it(&request, mapping);
    request.head.target_count = 1;
    request.row = (struct abi_dm_target){.start = mapping->start, .length = mapping->sectors};
    memcpy(request.row.type, mapping->type, strlen(mapping->type) + 1);
    memcpy(request.parameters, mapping->parameters, strlen(mapping->parameters) + 1);
    result = call(control, ABI_DM_TABLE_LOAD, &request, sizeof request);
  }
  if (result == 0) {
    name_it(&request, mapping);
    result = call(control, ABI_DM_DEV_SUSPEND, &request, sizeof request.head); /* without the flag: it resumes */
  }
  drop_fd(&control);
  return there ? 0 : result;
}
