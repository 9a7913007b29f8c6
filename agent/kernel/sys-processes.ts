import type { Fd } from "./kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

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
    /** Of the main thread, so of the process as ps shows it; at most 15 bytes. */
    setThreadName(name: string) {
      checked(addon.setThreadName(name), "prctl PR_SET_NAME", name);
    },
  };
}
