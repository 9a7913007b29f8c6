/* The forked child of a launch: the registers that a plan works on, and the operations. */
#ifndef GUESTD_CHILD_H
#define GUESTD_CHILD_H

#include "plan.h"
#include <errno.h>
#include <sys/stat.h>

/* A mount that the plan has attached, by the path that it was asked for. */
struct attached {
  const char *target;
  int fd;
};
enum { MAX_ATTACHED = 256 };
enum { REPORT_READY = 1, REPORT_FAILED = 2, REPORT_TEXT = 240, EXIT_NOT_LAUNCHED = 127 };

struct child {
  struct plan plan;
  const int *slots;
  const struct stat *self; /* init's own program, which no container gets to run */
  int report;
  uint32_t index; /* of the operation at hand */
  int root;       /* the container's root mount, or -1 */
  int mount;      /* the detached mount made last, or -1 */
  int fs;         /* the file system being configured, or -1 */
  int mask;       /* the empty tmpfs of `mask`, once it is needed, else -1 */
  pid_t *born;    /* shared with init until `fork`: the pid that it goes on with */
  struct attached attached[MAX_ATTACHED]; /* those that operations go on in, in their order */
  unsigned attached_count;
  const char *executable;
  char text[REPORT_TEXT]; /* the kernel's own message on a failed mount */
  uint32_t text_length;
};

/* An operation returns 0 or -errno. */
typedef int plan_function(struct child *child, const struct plan_op *op);

#define PLAN_FUNCTION(name, kinds) plan_function op_##name;
PLAN_OPS(PLAN_FUNCTION)
#undef PLAN_FUNCTION

static inline int result_of(long value) { return value < 0 ? -errno : 0; }
static inline const char *child_string(const struct child *child, const struct plan_op *op, unsigned at) {
  return plan_string(&child->plan, op->arg[at]);
}
static inline int child_slot(const struct child *child, const struct plan_op *op, unsigned at) {
  return child->slots[op->arg[at]];
}
/* The words of an array of strings, turned into pointers in place; to be called once per array. */
char *const *child_strings(struct child *child, uint32_t first, uint32_t count);
/* Closes all descriptors but 0–2 and these, at most MAX_FDS. */
void child_close_others(const int *kept, unsigned count);
void child_report(const struct child *child, uint32_t kind, int error);
/* Runs the plan; never returns. */
_Noreturn void child_run(struct child *child);

/*
 * resolve.c: descriptors (O_PATH) of paths in the root register, or -errno. A path below a mount that the plan has attached
 * is opened beneath that mount, by its descriptor: whoever renames what it was attached to leads nobody past it. Only
 * where links lead out of the mount the whole path counts.
 */
int in_root(const struct child *child, const char *path);
/*
 * Makes what is missing: directories 0755, and at the end what `leaf` says (S_IFDIR or S_IFREG, with permission bits).
 * Symbolic links are followed inside the root, dangling ones too.
 */
int in_root_make(const struct child *child, const char *path, mode_t leaf);
/* Keeps the mount for what is later done below the path, or closes it. -EMFILE: too many. */
int keep_attached(struct child *child, const char *target, int *mount);
/* They are not the container's to find by /proc/self/fd. */
void drop_attached(struct child *child);
enum { NAME_SIZE = 256 };
/* Splits off the last component into `name` and opens, or makes, the directory that it lies in. */
int in_root_parent(const struct child *child, const char *path, char name[NAME_SIZE]);

#endif
