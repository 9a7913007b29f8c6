#include "protocol.h"
#include <errno.h>
#include <string.h>

#define FILE_PARTS(name, parts) [FILE_##name] = parts,
static const char *const PARTS[FILE_count] = {[FILE_none] = "", FILE_CALLS(FILE_PARTS)};

bool request_has(uint32_t call, char part) { return strchr(PARTS[call], part) != NULL; }

/* Copies text without zero bytes to a string of PATH_MAX. */
static int take_text(char *into, const uint8_t *bytes, size_t length) {
  if (length >= PATH_MAX || memchr(bytes, 0, length) != NULL) return -EINVAL;
  memcpy(into, bytes, length);
  into[length] = '\0';
  return 0;
}

/* One entry of a directory: neither a path nor the directory itself nor the one above it. */
static bool is_entry(const char *name) {
  return *name != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_name(const struct request *request) {
  if (request_has(request->call, 'n')) return is_entry(request->name) ? 0 : -EINVAL;
  if (request_has(request->call, 'x')) return *request->name != '\0' ? 0 : -EINVAL;
  return request_has(request->call, 'p') || *request->name == '\0' ? 0 : -EINVAL;
}

/* Separates a name in the data from the bytes behind it. */
static int check_placed(struct request *request, char *text) {
  const uint8_t *end = memchr(request->data, 0, request->data_length);
  if (end == NULL) return -EINVAL;
  size_t length = (size_t)(end - request->data);
  int result = take_text(text, request->data, length);
  if (result != 0) return result;
  request->text = text;
  request->data = end + 1;
  request->data_length -= (uint32_t)length + 1;
  return is_entry(text) ? 0 : -EINVAL;
}

static int check_data(struct request *request, char *text) {
  if (request_has(request->call, 'D')) return 0;
  if (request_has(request->call, 'P')) return check_placed(request, text);
  int result = take_text(text, request->data, request->data_length);
  if (result != 0) return result;
  request->text = text;
  if (request_has(request->call, 'N')) return is_entry(text) ? 0 : -EINVAL;
  return request_has(request->call, 'T') == (*text != '\0') ? 0 : -EINVAL;
}

static int check_numbers(const struct request *request) {
  unsigned count = 0;
  for (const char *part = PARTS[request->call]; *part != '\0'; part++) {
    if (*part >= '0' && *part <= '9') count = (unsigned)(*part - '0');
  }
  for (unsigned i = count; i < FILE_NUMBERS; i++) {
    if (request->number[i] != 0) return -EINVAL;
  }
  return 0;
}

static int check_handles(const struct request *request) {
  bool other = request_has(request->call, 'f') || request_has(request->call, 'o');
  if (request->handle >= FILE_HANDLES || request->other >= FILE_HANDLES) return -EINVAL;
  return other || request->other == 0 ? 0 : -EINVAL;
}

int request_parse(const uint8_t *bytes, size_t length, unsigned fds, struct request_text *text, struct request *out,
                  size_t *used) {
  struct file_request head;
  *out = (struct request){0};
  *used = length;
  if (length < sizeof head || length > FILE_MESSAGE) return -EBADMSG;
  memcpy(&head, bytes, sizeof head);
  out->id = head.id;
  if (head.name_length >= PATH_MAX || head.data_length > FILE_DATA) return -EBADMSG;
  size_t own = sizeof head + head.name_length + head.data_length;
  if (own > length || (fds > 0 && own < length)) return -EBADMSG;
  *used = own;
  out->linked = (head.call & FILE_LINKED) != 0;
  head.call &= ~FILE_LINKED;
  if (head.call <= FILE_none || head.call >= FILE_count) return -ENOSYS;
  if (fds != (request_has(head.call, 's') ? 1 : 0)) return -EBADMSG;
  out->call = head.call;
  out->handle = head.handle;
  out->other = head.other;
  memcpy(out->number, head.number, sizeof head.number);
  out->name = text->name;
  out->data = bytes + sizeof head + head.name_length;
  out->data_length = head.data_length;
  int result = take_text(text->name, bytes + sizeof head, head.name_length);
  if (result == 0) result = check_name(out);
  if (result == 0) result = check_data(out, text->text);
  if (result == 0) result = check_numbers(out);
  return result == 0 ? check_handles(out) : result;
}
