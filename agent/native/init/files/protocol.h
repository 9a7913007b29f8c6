/*
 * Calls on files inside one root, and their answers: messages over a socket, of agent/kernel/files/file-protocol.ts.
 * All numbers are little-endian.
 *
 *   request  struct file_request, name, data; at most one descriptor
 *   answer   struct file_answer, data; at most one descriptor
 *
 * A message has one request or several, which are made one after the other, or one answer or several, in the order of
 * their requests: a file costs one message each way however many calls it takes. A descriptor's request is alone.
 *
 * Handles are chosen by the caller, who can so send calls on a file before its `open` is answered. Handle 0 is the root.
 * A linked call is made only if the one before it succeeded, and fails with ECANCELED otherwise.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILE_HANDLES = 4096, FILE_DATA = 64 << 10, FILE_NUMBERS = 8 };
enum { FILE_MESSAGE = 96 + PATH_MAX + FILE_DATA };
#define FILE_LINKED (UINT32_C(1) << 31) /* beside the code of a call */

struct file_request {
  uint32_t call, id;
  uint32_t handle, other;
  uint64_t number[FILE_NUMBERS];
  uint32_t name_length, data_length;
};
_Static_assert(sizeof(struct file_request) == 88, "the fixed part of a request, as it is sent");

struct file_answer {
  uint32_t id;
  int32_t error; /* 0 or -errno */
  int64_t value;
  uint32_t data_length, unused;
};
_Static_assert(sizeof(struct file_answer) == 24, "the fixed part of an answer, as it is sent");

/*
 * The calls: name, and letters for the parts that a request has; all others are zero. h an open handle, f a free one to
 * be opened (other), o another open handle (other), n name of an entry, p path, may be empty, x name of an attribute
 * (all in the name), N name of an entry, T target of a link, D bytes, P name of an entry, a zero byte and bytes (in the
 * data), s a socket, a digit how many numbers. A call's code is its position, from 1.
 */
#define FILE_CALLS(X)                                                                                                  \
  X(open, "hfp2")       /* flags, RESOLVE_*; answers attributes. Without a path opens the handle's file again */      \
  X(create, "hfn1")     /* mode; a regular file that does not exist; answers attributes */                             \
  X(close, "h")                                                                                                        \
  X(stat, "h")                                                                                                         \
  X(statfs, "h")                                                                                                       \
  X(list, "h1")         /* 1 to start over; answers records of getdents64(2), none at the end */                       \
  X(readlink, "hn")                                                                                                    \
  X(read, "h2")         /* position, length */                                                                         \
  X(write, "h1D")       /* position; writes everything or fails */                                                     \
  X(seek, "h2")         /* position; 0 for data, 1 for a hole */                                                       \
  X(truncate, "h1")     /* length */                                                                                   \
  X(chown, "h2")        /* uid, gid */                                                                                 \
  X(chmod, "h1")        /* mode */                                                                                     \
  X(utimens, "h4")      /* seconds and nanoseconds of access, and of change */                                         \
  X(listxattr, "h")                                                                                                    \
  X(getxattr, "hx")                                                                                                    \
  X(setxattr, "hxD")                                                                                                   \
  X(mkdir, "hn1")       /* mode */                                                                                     \
  X(symlink, "hnT")                                                                                                    \
  X(link, "honN")                                                                                                      \
  X(rename, "honN1")    /* 1 not to replace */                                                                         \
  X(unlink, "hn1")      /* 1 for a directory */                                                                        \
  X(bind, "hns")        /* a unix socket to a new name */                                                              \
  X(connect, "hs")      /* a unix socket to a socket's file */                                                         \
  X(terminal, "h")      /* answers the master of a new pty in a directory of devpts */                                 \
  X(mount, "hp2")       /* flags, RESOLVE_*; returns the id of a path's mount, without asking its file system */       \
  X(path, "h")          /* where an open file is, below the root */                                                    \
  X(adopt, "fs")        /* a handle for the descriptor that comes with the request */                                  \
  X(load, "hp4D")       /* flags, RESOLVE_*, most bytes, 1 for those at the end; the u32 types of file systems that the \
                           file may be in; answers the content of a regular file */                                    \
  X(empty, "h1")        /* most entries; removes so many from a directory and everything below it, and returns how     \
                           many: 0 once it is empty */                                                                 \
  X(place, "hnP8")      /* mode, uid, gid, times as for utimens, 1 to replace a file of the first name; creates a file  \
                           under it, with everything, and moves it to the name in the data; otherwise leaves nothing */ \
  X(take, "hn3")        /* flags, RESOLVE_*, most bytes; answers attributes and content of a regular file that has no   \
                           extended attributes and isn't longer */

#define FILE_CODE(name, parts) FILE_##name,
enum file_call { FILE_none, FILE_CALLS(FILE_CODE) FILE_count };
#undef FILE_CODE

/* A request that was checked. Strings end with a zero byte. */
struct request {
  uint32_t call, id, handle, other;
  bool linked;
  uint64_t number[FILE_NUMBERS];
  const char *name;
  const char *text; /* the data, as the name of an entry or as a target */
  const uint8_t *data;
  uint32_t data_length;
};

/* Attributes of a file, as `open`, `create` and `stat` answer them. */
struct file_attributes {
  uint64_t dev, ino, size, blocks, mount;
  uint32_t mode, nlink, uid, gid;
  int64_t atime, mtime, ctime;
  uint32_t atime_ns, mtime_ns, ctime_ns, unused;
};
_Static_assert(sizeof(struct file_attributes) == 96, "the attributes of an answer, as they are sent");

/* Attributes of a file system, as `statfs` answers them. */
struct file_system {
  uint64_t type, block_bytes, blocks, free, available, files, files_free;
};

/* Strings of a request; it refers to them. */
struct request_text {
  char name[PATH_MAX], text[PATH_MAX];
};

/*
 * Checks the first request of a message and everything it has but the state of its handles. Returns 0, -EBADMSG
 * (lengths), -ENOSYS (unknown call) or -EINVAL; sets `id` whenever the fixed part is complete, and `used` to the bytes
 * of the request: all that there are if its lengths are wrong.
 */
int request_parse(const uint8_t *bytes, size_t length, unsigned fds, struct request_text *text, struct request *out,
                  size_t *used);
/* Tells whether a call's request has a part. */
bool request_has(uint32_t call, char part);
