#include "boot.h"
#include "../common/linux-abi.h"
#include "map.h"
#include "power.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#define MODULE_LIST "/guestd-modules"
#define START_VARIABLE "GUESTD_INIT_START_US"
#define NEW_ROOT "/newroot"
#define AGENT "/usr/lib/guestd"

enum { ROOT_WAIT_US = 3000000, ROOT_RETRY_NS = 2000000, COMPRESSED_MODULE = 4 };

static const char *const ROOT_DEVICES[] = {"/dev/pmem0p1", "/dev/vda1", "/dev/pmem0", "/dev/vda", NULL};
static const char *const ROOT_TYPES[] = {"erofs", "ext4", NULL};

uint64_t boot_start_us(void) {
  const char *given = getenv(START_VARIABLE);
  return given != NULL ? strtoull(given, NULL, 10) : now_us();
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Removes the file, since its pages are memory of the guest. */
static void load_module(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int flags = ends_with(path, ".xz") ? COMPRESSED_MODULE : 0;
  long result = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", flags);
  if (fd < 0 && errno == ENOENT) say("cannot load module %s: " MODULE_LIST " lists it, but it is missing", path);
  else if (result < 0 && errno != EEXIST && errno != ENOENT)
    say("cannot load module %s: %s", path, strerror(errno));
  drop_fd(&fd);
  unlink(path);
}

static void load_modules(void) {
  char path[256];
  FILE *list = fopen(MODULE_LIST, "re");
  if (list == NULL) return;
  while (fgets(path, sizeof path, list) != NULL) {
    path[strcspn(path, "\n")] = '\0';
    if (path[0] != '\0') load_module(path);
  }
  fclose(list);
}

static const char *value_of(const char *word, const char *key) {
  size_t length = strlen(key);
  return strncmp(word, key, length) == 0 ? word + length : NULL;
}

/* Returns the next word by the kernel's rules, in which double quotes protect spaces; NULL at the end. */
static char *next_word(char **rest) {
  char *word = *rest + strspn(*rest, " \n"), *end = word;
  if (*word == '\0') return NULL;
  for (bool quoted = false; *end != '\0' && (quoted || (*end != ' ' && *end != '\n')); end++) quoted ^= *end == '"';
  *rest = *end == '\0' ? end : end + 1;
  *end = '\0';
  return word;
}

/* Strips the double quotes around a value, in place. */
static char *unquoted(char *value) {
  size_t length = strlen(value);
  if (value[0] != '"') return value;
  if (length > 1 && value[length - 1] == '"') value[length - 1] = '\0';
  return value + 1;
}

void boot_options_parse(char *line, struct boot_options *out) {
  *out = (struct boot_options){0};
  for (char *word = next_word(&line); word != NULL; word = next_word(&line)) {
    const char *value;
    if ((value = value_of(word, "dm-mod.create=")) != NULL) out->mapping = unquoted(word + (value - word));
    if (strcmp(word, "--") == 0) return;
    if ((value = value_of(word, "root=")) != NULL) out->root = value;
    if ((value = value_of(word, "rootfstype=")) != NULL) out->type = value;
    if ((value = value_of(word, "rootflags=")) != NULL) out->flags = value;
    if (strcmp(word, "rw") == 0) out->writable = true;
    if (strcmp(word, "ro") == 0) out->writable = false;
  }
}

/* Waits up to 3 s for one of these block devices. Returns its name, or NULL. */
static const char *wait_device(const char *const *names) {
  const struct timespec pause = {.tv_nsec = ROOT_RETRY_NS};
  for (uint64_t end = now_us() + ROOT_WAIT_US;; nanosleep(&pause, NULL)) {
    for (const char *const *name = names; *name != NULL; name++) {
      struct stat found;
      if (stat(*name, &found) == 0 && S_ISBLK(found.st_mode)) return *name;
    }
    if (now_us() >= end) return NULL;
  }
}

/* Waits for the disks that a row of the device mapper names. */
static void wait_for_disks(const char *parameters) {
  char path[256];
  for (const char *at = parameters; *at != '\0'; at += strspn(at, " ")) {
    size_t length = strcspn(at, " ");
    if (*at == '/' && length < sizeof path) {
      memcpy(path, at, length);
      path[length] = '\0';
      wait_device((const char *const[]){path, NULL});
    }
    at += length;
  }
}

_Noreturn static void power_off(void) {
  power(false);
  _exit(1); /* failed; the kernel panics */
}

_Noreturn static void give_up(const char *what, const char *object, int error) {
  say("no root: %s %s: %s; check root=, rootfstype= and rootflags= of the kernel command line", what, object,
      strerror(error));
  power_off();
}

static void map_root(char *text) {
  struct mapping mapping;
  if (mapping_parse(text, &mapping) < 0) {
    say("no root: dm-mod.create= must be one device with one row: name,,,ro,0 sectors type parameters");
    power_off();
  }
  wait_for_disks(mapping.parameters);
  int error = mapping_create(&mapping);
  if (error < 0) give_up("map", mapping.name, -error);
}

static void mount_root(const struct boot_options *options) {
  const char *const given[] = {options->root, NULL};
  const char *const given_type[] = {options->type, NULL};
  const char *const *types = options->type != NULL ? given_type : ROOT_TYPES;
  const char *device = wait_device(options->root != NULL ? given : ROOT_DEVICES);
  if (device == NULL)
    give_up("wait 3 s for", options->root != NULL ? options->root : "a root on /dev/pmem0 or /dev/vda", ENOENT);
  mkdir(NEW_ROOT, 0755);
  int error = 0;
  for (; *types != NULL; types++) {
    unsigned long flags = options->writable ? 0 : MS_RDONLY;
    if (mount(device, NEW_ROOT, *types, flags, options->flags) == 0) return;
    if (error == 0 || errno != EINVAL) error = errno;
  }
  give_up("mount", device, error);
}

static void switch_root(void) {
  static const char *const moved[] = {"/dev", "/proc", "/sys"};
  for (unsigned i = 0; i < sizeof moved / sizeof *moved; i++) {
    char target[64];
    snprintf(target, sizeof target, NEW_ROOT "%s", moved[i]);
    if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0) say("cannot move %s: %s", target, strerror(errno));
  }
  unlink("/init");
  if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
    give_up("move", NEW_ROOT, errno);
  }
}

void boot_root(char **argv, uint64_t start_us) {
  static char line[4096];
  char start[64];
  struct boot_options options;
  if (access(MODULE_LIST, F_OK) < 0) return;
  mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755") < 0 && errno != EBUSY) {
    say("cannot mount devtmpfs: %s", strerror(errno));
  }
  load_modules();
  if (read_file("/proc/cmdline", line, sizeof line) < 0) line[0] = '\0';
  boot_options_parse(line, &options);
  if (options.root == NULL && access(AGENT, F_OK) == 0) { /* the initramfs is the root */
    unlink(MODULE_LIST);
    return;
  }
  if (options.mapping != NULL) map_root(options.mapping);
  mount_root(&options);
  switch_root();
  snprintf(start, sizeof start, "%llu", (unsigned long long)start_us);
  setenv(START_VARIABLE, start, 1);
  execv("/sbin/init", argv);
}
