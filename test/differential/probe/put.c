#include "put.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

void put(const char *section, const char *key, const char *value) {
  printf("%s\t%s\t", section, key);
  for (; *value != '\0'; value++) {
    unsigned char c = (unsigned char)*value;
    if (c == '\n')
      fputs("\\n", stdout);
    else if (c == '\t')
      fputs("\\t", stdout);
    else if (c == '\\')
      fputs("\\\\", stdout);
    else if (c < ' ' || c > '~')
      printf("\\x%02x", c);
    else
      putchar(c);
  }
  putchar('\n');
}

void put_number(const char *section, const char *key, long long value) {
  char text[32];
  snprintf(text, sizeof text, "%lld", value);
  put(section, key, text);
}

void put_file(const char *section, const char *key, const char *path) {
  static char text[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    put(section, key, strerror(errno));
    return;
  }
  ssize_t length = 0, got;
  while ((got = read(fd, text + length, sizeof text - 1 - (size_t)length)) > 0) length += got;
  text[got < 0 ? 0 : length] = '\0';
  put(section, key, got < 0 ? strerror(errno) : text);
  close(fd);
}

void put_lines(const char *section, const char *path, bool by_word) {
  char line[8192], key[64];
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    put(section, path, strerror(errno));
    return;
  }
  for (int number = 0; fgets(line, sizeof line, file) != NULL; number++) {
    line[strcspn(line, "\n")] = '\0';
    snprintf(key, sizeof key, "%03d", number);
    char *colon = by_word ? strchr(line, ':') : NULL;
    if (colon != NULL) {
      *colon = '\0';
      put(section, line, colon + 1 + strspn(colon + 1, " \t"));
    } else {
      put(section, key, line);
    }
  }
  fclose(file);
}
