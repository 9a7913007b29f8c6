/*
 * The format of a launch plan in its sealed memory file (written by plan-encode.ts):
 *
 *   header   8 × u32: magic "GPL1", operations, words, string bytes, four zeros
 *   ops      32 bytes each: u32 code, 7 × u32 arguments, unused ones zero
 *   words    u64 each: the arrays of all operations in order
 *   strings  bytes; the last one is zero, so every offset into them is a terminated string
 *
 * An array of strings is (index of the first word, count): `count` offsets and one zero word. The child replaces the
 * offsets by pointers, so that execve can use the array in place. Nothing is allocated for a plan.
 */
#pragma once

#include "init.h"

enum { PLAN_MAGIC = 0x314c5047, PLAN_MAX_BYTES = 16 << 20, PLAN_ARGUMENTS = 7 };
enum { PLAN_MAX_NUMBERS = 65536, PLAN_MAX_DATA = 4096 };
#define PLAN_NO_STRING UINT32_MAX

/*
 * The operations: name, and a letter for each argument: p path (1–4095 bytes), s string, o optional string, l slot,
 * b 0 or 1, u number, q 64-bit number (two places), a array of strings (two places), A the same but not empty, n array
 * of numbers, P array of 64-bit words passed on to the kernel, not empty (a BPF program, a structure). An operation's
 * code is its position in this list, from 1; a new one goes to the end, because an upgraded agent keeps its init. Its
 * function is OPERATION(name) in ops-*.c, its row for the agent is in agent/kernel/init/ops-*.ts.
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
  X(drop, "q")                                                                                                         \
  X(serve_files, "llq")

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
  bool forks; /* contains a `fork` */
};

/*
 * Checks every bound of a plan at `base` (8-byte aligned, only read) and points `out` into it. Returns 0, -EBADMSG
 * (sizes), -ENOSYS (unknown operation) or -EINVAL (argument out of range); then `bad` is the index of the operation, or
 * UINT32_MAX for the plan as a whole.
 */
int plan_check(void *base, size_t size, unsigned slots, struct plan *out, uint32_t *bad);

/*
 * Returns the rest of `path` below `target`, both written as in a spec: "keys" for "/proc/keys" and "/proc/", "" for
 * equal paths. Returns NULL if `path` is elsewhere, or one of them has "..".
 */
const char *plan_below(const char *path, const char *target);
/* True if an operation from `index` on has a path below `target`. */
bool plan_goes_below(const struct plan *plan, uint32_t index, const char *target);

static inline uint64_t plan_u64(const struct plan_op *op, unsigned at) {
  return (uint64_t)op->arg[at + 1] << 32 | op->arg[at];
}
static inline const char *plan_string(const struct plan *plan, uint32_t offset) { return plan->strings + offset; }
/* Returns NULL if the optional string is missing. */
static inline const char *plan_optional(const struct plan *plan, uint32_t offset) {
  return offset == PLAN_NO_STRING ? NULL : plan_string(plan, offset);
}
