#include "map.h"
#include "../common/device-mapper.h"
#include <stdlib.h>
#include <string.h>

enum { MAP_PARAMETERS = 2048 };

struct request {
  struct abi_dm head;
  struct abi_dm_target row;
  char parameters[MAP_PARAMETERS];
};

/* Reads a decimal number and the space after it; moves *at past both. */
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

static struct request request_of(const struct mapping *mapping) {
  struct request request = {.head = {.version = {ABI_DM_VERSION}, .data_start = sizeof request.head}};
  request.head.flags = mapping->writable ? 0 : ABI_DM_READONLY;
  memcpy(request.head.name, mapping->name, strlen(mapping->name) + 1);
  return request;
}

static int load_table(const struct mapping *mapping) {
  struct request request = request_of(mapping);
  request.head.target_count = 1;
  request.row = (struct abi_dm_target){.start = mapping->start, .length = mapping->sectors};
  memcpy(request.row.type, mapping->type, strlen(mapping->type) + 1);
  memcpy(request.parameters, mapping->parameters, strlen(mapping->parameters) + 1);
  return device_mapper(ABI_DM_TABLE_LOAD, &request.head, sizeof request);
}

int mapping_create(const struct mapping *mapping) {
  struct request request = request_of(mapping);
  int result = device_mapper(ABI_DM_DEV_CREATE, &request.head, sizeof request.head);
  if (result == -EBUSY) return 0; /* the name is taken; in the other steps EBUSY means that a disk is in use */
  if (result == 0) result = load_table(mapping);
  if (result < 0) return result;
  request = request_of(mapping);
  /* Resumes, as the flag to suspend is not set. */
  return device_mapper(ABI_DM_DEV_SUSPEND, &request.head, sizeof request.head);
}
