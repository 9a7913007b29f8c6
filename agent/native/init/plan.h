/*
 * A launch plan as it lies in its sealed memory file (plan-encode.ts writes it):
 *
 *   header   8 × u32: magic "GPL1", operations, words, string bytes, four zeros
 *   ops      32 bytes each: u32 code, 7 × u32 arguments, unused ones zero
 *   words    u64 each: the arrays of all operations, one after the other, in their order
 *   strings  bytes; the last one is zero, so every offset into them is a terminated string
 *
 * An array of strings is (index of the first word, count): `count` offsets and one zero word, where the child puts
 * pointers, so that execve can take it as it is. Nothing is allocated for a plan.
 */
#ifndef GUESTD_PLAN_H
#define GUESTD_PLAN_H

#include "init.h"

enum { PLAN_MAGIC = 0x314c5047, PLAN_MAX_BYTES = 16 * 1024 * 1024, PLAN_ARGUMENTS = 7, PLAN_MAX_NUMBERS = 65536, PLAN_MAX_DATA = 4096 };
#define PLAN_NO_STRING UINT32_MAX

/*
 * Name, and the arguments in order: p path (1–4095 bytes), s string, o string or none, l slot, b 0 or 1, u number,
 * q 64 bit number (two places), a array of strings (two places), A the same but not empty, n array of numbers,
 * P array of 64 bit words as they are, not empty (a BPF program, a structure of the kernel).
 * The code of an operation is its place in this list, from 1.
 */
#define PLAN_OPS(X)                                                                                                    \
  X(unshare, "u")                                                                                                      \
  X(setns, "lu")                                                                                                       \
  X(setsid, "")                                                                                                        \
  X(write, "ps")                                                                                                       \
  X(sethostname, "s")                                                                                                  \
  X(setdomainname, "s")                                                                                                \
  X(propagate, "pu")                                                                                                   \
  X(open_tree, "bpb")                                                                                                  \
  X(open_tree_slot, "lb")                                                                                              \
  X(take_mount, "l")                                                                                                   \
  X(fsopen, "s")                                                                                                       \
  X(fsconfig, "so")                                                                                                    \
  X(fsmount, "u")                                                                                                      \
  X(setattr, "uuub")                                                                                                   \
  X(root, "p")                                                                                                         \
  X(attach, "pb")                                                                                                      \
  X(mkdir, "pu")                                                                                                       \
  X(mknod, "puuuuu")                                                                                                   \
  X(symlink, "sp")                                                                                                     \
  X(mask, "p")                                                                                                         \
  X(readonly, "p")                                                                                                     \
  X(root_attr, "uuub")                                                                                                 \
  X(remount, "pus")                                                                                                    \
  X(copy_up, "pbb")                                                                                                    \
  X(fork, "u")                                                                                                         \
  X(setns_path, "pu")                                                                                                  \
  X(pivot, "")                                                                                                         \
  X(chdir, "p")                                                                                                        \
  X(stdio, "lll")                                                                                                      \
  X(ctty, "")                                                                                                          \
  X(chown_stdio, "uu")                                                                                                 \
  X(rlimit, "uqq")                                                                                                     \
  X(umask, "u")                                                                                                        \
  X(bounding, "q")                                                                                                     \
  X(keepcaps, "")                                                                                                      \
  X(user, "uun")                                                                                                       \
  X(capset, "qqq")                                                                                                     \
  X(ambient, "q")                                                                                                      \
  X(no_new_privs, "")                                                                                                  \
  X(scheduler, "P")                                                                                                    \
  X(io_priority, "u")                                                                                                  \
  X(cpu_affinity, "P")                                                                                                 \
  X(personality, "u")                                                                                                  \
  X(seccomp, "uP")                                                                                                     \
  X(find, "A")                                                                                                         \
  X(wait, "l")                                                                                                         \
  X(exec, "Aa")                                                                                                        \
  X(session_keyring, "")                                                                                               \
  X(own_root, "")                                                                                                      \
  X(exit, "")                                                                                                          \
  X(drop, "q")

#define PLAN_CODE(name, kinds) OP_##name,
enum plan_code { OP_none, PLAN_OPS(PLAN_CODE) OP_count };
#undef PLAN_CODE

struct plan_op {
  uint32_t code;
  uint32_t arg[PLAN_ARGUMENTS];
};

struct plan {
  const struct plan_op *ops;
  uint64_t *words;
  char *strings;
  uint32_t op_count, word_count, string_bytes;
  bool forks; /* it has a `fork` */
};

/*
 * Checks every bound of a plan at `base` (8-byte aligned, not written to) and points `out` into it. Returns 0, or
 * -EBADMSG (sizes), -ENOSYS (unknown operation), -EINVAL (an argument out of its range); `bad` is then the index of
 * the operation, or UINT32_MAX if it is the plan as a whole.
 */
int plan_check(void *base, size_t size, unsigned slots, struct plan *out, uint32_t *bad);

/*
 * What is left of `path` below `target`, both as a spec has them ("/proc/keys" below "/proc/": "keys"; the same path: "");
 * NULL where it does not lie there, or climbs.
 */
const char *plan_below(const char *path, const char *target);
/* Does an operation from the one with this index on name a path there? */
bool plan_goes_below(const struct plan *plan, uint32_t index, const char *target);

static inline uint64_t plan_u64(const struct plan_op *op, unsigned at) {
  return (uint64_t)op->arg[at + 1] << 32 | op->arg[at];
}
static inline const char *plan_string(const struct plan *plan, uint32_t offset) { return plan->strings + offset; }
/* NULL where the plan has none. */
static inline const char *plan_optional(const struct plan *plan, uint32_t offset) {
  return offset == PLAN_NO_STRING ? NULL : plan_string(plan, offset);
}

#endif
