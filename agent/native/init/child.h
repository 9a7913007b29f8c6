/* The forked child of a launch: the registers that a plan works on, and the operations. */
#pragma once

#include "../common/rights.h"
#include "plan.h"
#include <errno.h>
#include <sys/stat.h>

/* A mount that the plan has attached, and the path it was attached to. */
struct attached {
  const char *target;
  int fd;
};
enum { MAX_ATTACHED = 256 };
enum { REPORT_READY = 1, REPORT_FAILED = 2, REPORT_TEXT = 240, EXIT_NOT_LAUNCHED = 127 };
/* Operations whose durations fit in the text of a report: those after them are not measured. */
enum { MAX_MEASURED = REPORT_TEXT / sizeof(uint16_t) };

struct child {
  struct plan plan;
  const int *slots;
  const struct stat *self; /* init's own program, which no container may execute */
  int report;              /* the report pipe */
  uint32_t index;          /* of the current operation */
  int root;                /* the container's root mount, or -1 */
  int mount;               /* the detached mount created last, or -1 */
  int fs;                  /* the file system being configured, or -1 */
  int mask;                /* the empty tmpfs of `mask`, or -1 until the first use */
  pid_t *born;             /* the cell for the pid of the process that `fork` creates */
  struct attached attached[MAX_ATTACHED]; /* the mounts that later operations work in, oldest first */
  unsigned attached_count;
  const char *executable;
  char text[REPORT_TEXT]; /* the kernel's own message about a failed mount */
  uint32_t text_length;
  uint16_t micros[MAX_MEASURED]; /* how long each operation took, at most UINT16_MAX */
  uint32_t measured;
};

/* An operation returns 0 or -errno. */
typedef int plan_function(struct child *child, const struct plan_op *op);
#define PLAN_FUNCTION(name, kinds) plan_function op_##name;
PLAN_OPS(PLAN_FUNCTION)
#undef PLAN_FUNCTION
/* The head of an operation's definition; few of them use both parameters. */
#define OPERATION(name)                                                                                                \
  int op_##name(__attribute__((unused)) struct child *child, __attribute__((unused)) const struct plan_op *op)

static inline int result_of(long value) { return value < 0 ? -errno : 0; }
static inline const char *child_string(const struct child *child, const struct plan_op *op, unsigned at) {
  return plan_string(&child->plan, op->arg[at]);
}
static inline int child_slot(const struct child *child, const struct plan_op *op, unsigned at) {
  return child->slots[op->arg[at]];
}
/* Turns the words of an array of strings into pointers, in place; must be called once for each array. */
char *const *child_strings(struct child *child, uint32_t first, uint32_t count);
/* Closes all descriptors but 0–2 and `kept`, which are at most RIGHTS_MAX. */
void child_close_others(const int *kept, unsigned count);
/* Writes one record: the durations so far if the child is ready, else the operation that failed. */
void child_report(const struct child *child, uint32_t kind, int error);
/* Runs the plan; never returns. */
_Noreturn void child_run(struct child *child);

/*
 * Returns an O_PATH descriptor of a path in the root register, or -errno. A path below a mount that the plan has
 * attached is opened beneath that mount by its descriptor, so that renaming the mount's target leads nowhere else. Only
 * if links lead out of the mount is the whole path resolved.
 */
int in_root(const struct child *child, const char *path);
/*
 * Creates what is missing: directories with mode 0755, and at the end `leaf` (S_IFDIR or S_IFREG, with permission
 * bits). Follows symbolic links inside the root, even to a target that does not exist yet.
 */
int in_root_make(const struct child *child, const char *path, mode_t leaf);
enum { NAME_SIZE = 256 };
/* Splits off the last component into `name`, and opens or creates the directory it is in. */
int in_root_parent(const struct child *child, const char *path, char name[NAME_SIZE]);
/*
 * Keeps a mount if a later operation works below its target, else closes it. Returns 0, or -EMFILE if too many are
 * kept.
 */
int keep_attached(struct child *child, const char *target, int *mount);
/* Closes the kept mounts, so that the container cannot reach them through /proc/self/fd. */
void drop_attached(struct child *child);
