/* The guest as a whole: clock, random numbers, swap, and the size of mounted file systems. */
#include <linux/fs.h>
#include <linux/random.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <unistd.h>

#include "sys.h"

/* setTime(seconds, micros): settimeofday(2), until 2106 */
static napi_value call_set_time(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t seconds, micros;
  if (!args_begin(&args, env, info, 2) || !arg_int(&args, "seconds", 0, UINT32_MAX, &seconds) ||
      !arg_int(&args, "micros", 0, 999999, &micros))
    return NULL;
  struct timeval time = {.tv_sec = seconds, .tv_usec = micros};
  return result(env, SYS_RETRY(settimeofday(&time, NULL)));
}

/* creditEntropy(fd, bits): counts what was written to this /dev/random as so many bits */
static napi_value call_credit_entropy(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t bits;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "bits", 0, INT_MAX, &bits))
    return NULL;
  int count = (int)bits;
  return result(env, SYS_RETRY(ioctl(fd, RNDADDTOENTCNT, &count)));
}

/* reseedRandom(fd): reseeds the kernel's generator from the pool */
static napi_value call_reseed_random(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(ioctl(fd, RNDRESEEDCRNG)));
}

struct swap_work {
  struct work work;
  char path[PATH_MAX];
};

static int64_t run_swap_on(struct work *work) {
  const struct swap_work *s = (const struct swap_work *)work;
  return SYS_RETRY(swapon(s->path, 0));
}

/* swapOn(path): promise */
static napi_value call_swap_on(napi_env env, napi_callback_info info) {
  struct args args;
  struct swap_work *s = work_new(env, sizeof(*s));
  if (s == NULL) return NULL;
  if (!args_begin(&args, env, info, 1) || !arg_string(&args, "path", s->path, sizeof(s->path))) {
    free(s);
    return NULL;
  }
  return work_start(env, &s->work, run_swap_on);
}

static int64_t run_sync(struct work *work) {
  (void)work;
  sync();
  return 0;
}

/* sync(): promise; resolves when the kernel has written all dirty pages */
static napi_value call_sync(napi_env env, napi_callback_info info) {
  struct args args;
  struct work *work = work_new(env, sizeof(*work));
  if (work == NULL) return NULL;
  if (!args_begin(&args, env, info, 0)) {
    free(work);
    return NULL;
  }
  return work_start(env, work, run_sync);
}

/* The kernel exports no header for ext4 and xfs. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

struct xfs_geometry {
  uint32_t block_size, rt_extent, ag_blocks, ag_count, log_blocks, sector, inode, max_percent;
  uint64_t data_blocks, rt_blocks, rt_extents, log_start;
  uint8_t uuid[16];
  uint32_t unit, width, version, flags, log_sector, rt_sector, directory_block;
};
struct xfs_growth {
  uint64_t blocks;
  uint32_t max_percent;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW _IOW('X', 110, struct xfs_growth)

struct grow_work {
  struct work work;
  int fd;
  uint64_t blocks;
};

static int64_t run_grow_ext4(struct work *work) {
  const struct grow_work *g = (const struct grow_work *)work;
  uint64_t blocks = g->blocks;
  return SYS_RETRY(ioctl(g->fd, EXT4_RESIZE, &blocks));
}

/* Keeps the percentage that inodes may use. */
static int64_t run_grow_xfs(struct work *work) {
  const struct grow_work *g = (const struct grow_work *)work;
  struct xfs_geometry geometry;
  long status = SYS_RETRY(ioctl(g->fd, XFS_GEOMETRY, &geometry));
  if (status < 0) return status;
  struct xfs_growth growth = {.blocks = g->blocks, .max_percent = geometry.max_percent};
  return SYS_RETRY(ioctl(g->fd, XFS_GROW, &growth));
}

static napi_value grow(napi_env env, napi_callback_info info, int64_t (*run)(struct work *)) {
  struct args args;
  int64_t blocks;
  struct grow_work *g = work_new(env, sizeof(*g));
  if (g == NULL) return NULL;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &g->fd) ||
      !arg_int(&args, "blocks", 1, (int64_t)1 << 32, &blocks)) {
    free(g);
    return NULL;
  }
  g->blocks = (uint64_t)blocks;
  return work_start(env, &g->work, run);
}

/* growExt4(fd, blocks): promise; `fd` is any file of the mounted file system, and must stay open */
static napi_value call_grow_ext4(napi_env env, napi_callback_info info) { return grow(env, info, run_grow_ext4); }

/* growXfs(fd, blocks): likewise */
static napi_value call_grow_xfs(napi_env env, napi_callback_info info) { return grow(env, info, run_grow_xfs); }

napi_status guest_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"setTime", call_set_time}, {"creditEntropy", call_credit_entropy}, {"reseedRandom", call_reseed_random},
      {"swapOn", call_swap_on},   {"growExt4", call_grow_ext4},           {"growXfs", call_grow_xfs},
      {"sync", call_sync},
  };
  return REGISTER(env, exports, table);
}
