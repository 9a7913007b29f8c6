import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

const ESRCH = 3;

/** Namespaces of the main thread, signals by pidfd, and settings of this process. */
export function processCalls(addon: NativeAddon) {
  return {
    unshare(flags: number) {
      checked(addon.unshare(flags), "unshare", `0x${flags.toString(16)}`);
    },
    setns(fd: Fd, flags: number) {
      checked(addon.setns(fd, flags), "setns", fd);
    },
    sethostname(name: string) {
      checked(addon.sethostname(name), "sethostname", name);
    },
    signal(pidfd: Fd, signal: number) {
      checked(addon.pidfdSendSignal(pidfd, signal), `send signal ${signal} to`, `pidfd ${pidfd}`);
    },
    killGroup(leader: number) {
      if (leader <= 1) throw new TypeError(`killGroup: ${leader} leads no group of ours`);
      try {
        process.kill(-leader, "SIGKILL");
      } catch {
        // It is gone.
      }
    },
    pidfdOpen: (pid: number) => checked(addon.pidfdOpen(pid), "pidfd_open", `pid ${pid}`),
    setChildSubreaper(on: boolean) {
      checked(addon.setChildSubreaper(on ? 1 : 0), "prctl PR_SET_CHILD_SUBREAPER", "");
    },
    setDumpable(on: boolean) {
      checked(addon.setDumpable(on ? 1 : 0), "prctl PR_SET_DUMPABLE", "");
    },
    /** Adds a seccomp filter to all threads of this process, for good, and no_new_privs; its children inherit both. */
    refuseCalls(filter: Uint8Array) {
      const thread = checked(addon.refuseCalls(filter), "seccomp", "filter for this process");
      if (thread > 0) throw new SystemError("seccomp", ESRCH, `thread ${thread} has a filter of its own`);
    },
    /** Begins a collection in small steps on the event loop; does nothing with a Node whose V8 can't be asked. */
    collectGarbage(): void {
      addon.collectGarbage();
    },
    /**
     * For mapped memory that this process keeps for its life: collections no longer count it as something to free. For the
     * agent alone, which never ends by itself: V8 aborts in a process that does.
     */
    keepForGood(memory: ArrayBuffer): ArrayBuffer {
      addon.keepForGood(new Uint8Array(memory));
      return memory;
    },
    /** Gives the free pages of malloc's heap back to the kernel. */
    trimHeap(): void {
      addon.trimHeap();
    },
    /** Of the main thread, so of the process as ps shows it; at most 15 bytes. */
    setThreadName(name: string) {
      checked(addon.setThreadName(name), "prctl PR_SET_NAME", name);
    },
  };
}
