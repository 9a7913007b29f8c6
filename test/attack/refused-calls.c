/*
 * Makes the calls that the agent must not make, with arguments that no kernel accepts, and prints the errno of each:
 * "EPERM ptrace". Without a filter, most fail with another errno.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS(X)                                                                                                       \
  X(ptrace) X(process_vm_readv) X(process_vm_writev) X(kcmp) X(kexec_load) X(kexec_file_load) X(delete_module)         \
  X(perf_event_open) X(syslog) X(reboot) X(userfaultfd) X(fanotify_init) X(vmsplice) X(add_key)                        \
  X(request_key) X(keyctl) X(personality) X(pivot_root) X(chroot) X(open_by_handle_at) X(acct) X(swapoff) X(quotactl)  \
  X(setdomainname) X(adjtimex) X(clock_adjtime) X(mbind) X(set_mempolicy) X(migrate_pages) X(move_pages)               \
  X(init_module) X(finit_module)

static void say(const char *name, long result) {
  if (result >= 0) printf("done %s\n", name);
  else printf("%s %s\n", errno == EPERM ? "EPERM" : errno == ENOSYS ? "ENOSYS" : strerror(errno), name);
}

int main(void) {
#define MAKE(name) say(#name, syscall(SYS_##name, -1L, -1L, -1L, -1L, -1L, -1L));
  CALLS(MAKE)
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  say("bpf(BPF_MAP_CREATE)", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
  say("bpf(BPF_PROG_QUERY)", syscall(SYS_bpf, BPF_PROG_QUERY, &map, sizeof map));
  say("socket(AF_ALG)", socket(AF_ALG, SOCK_SEQPACKET, 0));
  say("socket(AF_UNIX)", socket(AF_UNIX, SOCK_STREAM, 0));
  say("io_uring_setup", syscall(425, 0L, 0L));
  say("pidfd_getfd", syscall(438, -1L, -1L, 0L));
  say("a call of a later kernel", syscall(460, -1L));
  say("getppid", syscall(SYS_getppid));
  return 0;
}
