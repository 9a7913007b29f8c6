import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Cgroups of runtime-tools. One of its programs leaves a cgroup behind that a runtime must not delete. */
const LEFT = ["cgrouptest", "testdir/cgrouptest/container", "testdir/cgrouptest", "testdir"];

/** Starts a process in namespaces that suit other runtimes than guestd, with the machine's own cgroups. */
export async function startOtherPlace(): Promise<AsyncDisposable & { readonly pid: number }> {
  const own = ["--pid", "--mount", "--uts", "--ipc", "--net", "--mount-proc", "--propagation", "private"];
  // crun refuses to work if both versions of cgroups have controllers, and the suite knows only version 1.
  const one = "if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi";
  const fresh = `${one}; mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /run && echo ready && exec sleep infinity`;
  const unshare = ["--pdeathsig", "KILL", "unshare", "--fork", "--kill-child=SIGKILL", ...own];
  const child = spawn("setpriv", [...unshare, "sh", "-c", fresh], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  await Promise.race([
    once(child.stdout, "data"),
    ended.then(() => Promise.reject(new Error("unshare could not create namespaces"))),
  ]);
  const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim());
  return {
    pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
      for (const hierarchy of readdirSync("/sys/fs/cgroup")) {
        for (const name of LEFT) {
          try {
            rmdirSync(join("/sys/fs/cgroup", hierarchy, name));
          } catch {
            // Most of them don't exist.
          }
        }
      }
    },
  };
}
