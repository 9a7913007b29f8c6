/* A process that serves calls on the files of one root until its socket is closed. */
#pragma once

#include "../init.h"
#include "protocol.h"
#include <errno.h>
#include <unistd.h>

struct server {
  int socket;
  int handles[FILE_HANDLES]; /* -1 if free */
  struct request_text text;
  uint8_t in[FILE_MESSAGE];
  uint8_t out[FILE_DATA + sizeof(struct file_answer) + FILE_DATA]; /* answers that aren't sent yet, and the next one */
  size_t out_length;
  bool failed;        /* the last call */
  uint8_t *data;      /* of the answer: FILE_DATA bytes of `out` */
  size_t data_length; /* of the answer */
  int given;          /* the request's descriptor, or -1 */
  int answered;       /* the answer's descriptor, or -1 */
};

/* Flags of renameat2(2) and unlinkat(2). */
enum { RENAME_WITHOUT_REPLACING = 1, REMOVE_DIRECTORY = 0x200 };

/* A call returns a value from 0, or -errno. */
typedef int64_t file_function(struct server *server, const struct request *request);
#define FILE_FUNCTION(name, parts) file_function file_##name;
FILE_CALLS(FILE_FUNCTION)
#undef FILE_FUNCTION

static inline int64_t value_of(long result) { return result < 0 ? -errno : result; }
/* Returns the descriptor of an open handle. */
static inline int fd_of(const struct server *server, uint32_t handle) { return server->handles[handle]; }
/* Answers with bytes beside the value. */
void answer_bytes(struct server *server, const void *bytes, size_t length);
/* Reads a file's attributes. Returns 0 or -errno. */
int64_t attributes_of(int fd, struct file_attributes *attributes);
/* Answers with a file's attributes. Returns 0 or -errno. */
int64_t answer_attributes(struct server *server, int fd);
/* Opens what a request with flags and RESOLVE_* names, with O_PATH. Returns a new descriptor or -errno. */
int64_t find_file(const struct server *server, const struct request *request);
/* Creates a regular file that does not exist. Returns a new descriptor or -errno. */
int64_t create_file(int dir, const char *name, uint64_t mode);
/* Opens a file for more than O_PATH, and closes `path`. Returns a new descriptor or -errno. */
int64_t open_again(int path, uint64_t flags);
/* Writes a request's data to an open file, from a position on. Returns the number of bytes, all of them, or -errno. */
int64_t write_data(int fd, const struct request *request, uint64_t position);
/* Sets the permissions of an open file, O_PATH or not. Returns 0 or -errno. */
int64_t set_mode(int fd, uint64_t mode);
/* The name of an open file in the working directory, which is /proc/self/fd. */
enum { LINK_BYTES = 12 };
void link_name(char name[LINK_BYTES], int fd);

/*
 * Leaves everything behind but the root, the socket and `report`: the working directory becomes /proc/self/fd, the root
 * directory the served one, and only the capabilities and calls that serving needs are left. Returns 0 or -errno.
 */
int server_confine(int root, uint64_t capabilities);
/* Allows the calls of a server, and kills the process at any other. Returns 0 or -errno. */
int server_filter(void);
/* Reads one message and answers its requests. Returns false at the end of the connection. */
bool server_turn(struct server *server);
