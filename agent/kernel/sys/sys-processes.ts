import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

const ESRCH = 3;

/** Creates the calls for namespaces of the main thread, signals by pidfd, and settings of this process. */
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
      if (leader <= 1) throw new TypeError(`killGroup: ${leader} can't be a child's process group`);
      try {
        process.kill(-leader, "SIGKILL");
      } catch {
        // The group has already ended.
      }
    },
    pidfdOpen: (pid: number) => checked(addon.pidfdOpen(pid), "pidfd_open", `pid ${pid}`),
    setDumpable(on: boolean) {
      checked(addon.setDumpable(on ? 1 : 0), "prctl PR_SET_DUMPABLE", "");
    },
    /** Adds a permanent seccomp filter, and no_new_privs, to all threads of this process; children inherit both. */
    refuseCalls(filter: Uint8Array) {
      const thread = checked(addon.refuseCalls(filter), "seccomp", "filter for this process");
      if (thread > 0) throw new SystemError("seccomp", ESRCH, `thread ${thread} has its own filter`);
    },
    /** Starts an incremental garbage collection on the event loop; does nothing if this Node doesn't allow it. */
    collectGarbage(): void {
      addon.collectGarbage();
    },
    /**
     * Pins mapped memory for the life of this process, so that V8 no longer counts it as memory to free. Only for the agent,
     * which never exits by itself: V8 aborts in a process that does.
     */
    keepForGood(memory: ArrayBuffer): ArrayBuffer {
      addon.keepForGood(new Uint8Array(memory));
      return memory;
    },
    /** Returns free pages of malloc's heap to the kernel. */
    trimHeap(): void {
      addon.trimHeap();
    },
  };
}
