/*
 * Included before each source of init's child (-include), so that fuzz-child.c receives its system calls. The headers
 * come first, so that only calls are renamed, not declarations.
 */
#ifndef GUESTD_PLAYED_KERNEL_H
#define GUESTD_PLAYED_KERNEL_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

long played_call(void);
/* A path may be NULL. */
int played_path(const char *path);
int played_at(int fd, const char *path);
int played_open(int fd, const char *path);
long played_syscall(long number, ...);
ssize_t played_read(int fd, const char *path, void *into, size_t size);
ssize_t played_write(const void *from, size_t size);
int played_stat(int fd, const char *path, struct stat *into);
int played_statfs(int fd, struct statfs *into);
int played_execve(const char *path, char *const *args, char *const *env);
DIR *played_opendir(int fd);
struct dirent *played_readdir(void);
_Noreturn void played_exit(void);
ssize_t played_recvmsg(struct msghdr *header);
ssize_t played_sendmsg(const struct msghdr *header);

#ifndef PLAYS_KERNEL /* fuzz-child.c itself */
#define _exit(status) played_exit()
#define chdir(path) played_path(path)
#define chroot(path) played_path(path)
#define close(fd) ((void)(fd))
#define closedir(directory) ((void)(directory))
#define dup2(from, to) ((void)(from), played_at(to, NULL))
#define execve(path, args, env) played_execve(path, args, env)
#define fchdir(fd) played_at(fd, NULL)
#define fchmodat(fd, path, ...) played_at(fd, path)
#define fchown(fd, ...) played_at(fd, NULL)
#define fchownat(fd, path, ...) played_at(fd, path)
#define fcntl(fd, ...) played_at(fd, NULL)
#define fdopendir(fd) played_opendir(fd)
#define fstat(fd, into) played_stat(fd, NULL, into)
#define fstatat(fd, path, into, flags) played_stat(fd, path, into)
#define fstatfs(fd, into) played_statfs(fd, into)
#define ioctl(fd, ...) played_at(fd, NULL)
#define lseek(fd, ...) ((off_t)played_call())
#define mkdirat(fd, path, mode) played_at(fd, path)
#define mknodat(fd, path, mode, device) ((void)(mode), (void)(device), played_at(fd, path))
#define mount(source, target, type, flags, data) (played_path(data) < 0 ? -1 : played_path(target))
#define open(path, ...) played_open(AT_FDCWD, path)
#define openat(fd, path, ...) played_open(fd, path)
#define personality(persona) ((void)(persona), (int)played_call())
#define prctl(...) ((int)played_call())
#define read(fd, into, size) played_read(fd, NULL, into, size)
#define readdir(directory) played_readdir()
#define readlinkat(fd, path, into, size) played_read(fd, path, into, size)
#define sendfile(to, ...) ((ssize_t)played_at(to, NULL))
#define recvmsg(fd, header, flags) played_recvmsg(header)
#define sendmsg(fd, header, flags) played_sendmsg(header)
#define setsid() ((int)played_call())
#define signal(...) ((void)0)
#define symlinkat(target, fd, path) (played_path(target) < 0 ? -1 : played_at(fd, path))
/* Zeros after the arguments: a fake may read as many as a call can have. */
#define syscall(...) played_syscall(__VA_ARGS__, 0L, 0L, 0L, 0L, 0L, 0L)
#define umask(mask) ((mode_t)(mask))
#define umount2(path, flags) played_path(path)
#define utimensat(fd, path, times, flags) ((void)(times), played_at(fd, path))
#define write(fd, from, size) played_write(from, size)

#endif

#endif

