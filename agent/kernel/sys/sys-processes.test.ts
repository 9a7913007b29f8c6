import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { CLONE_NEWNET, CLONE_NEWUTS, SIGTERM } from "../constants.ts";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { nativeAddon } from "./native-addon.ts";
import { openSys } from "./sys.ts";
import { processCalls } from "./sys-processes.ts";

const sys = openSys();
const why = isRoot() ? "" : " (skipped: needs root)";
leavesNoDescriptors();

test("a process can be signalled by its pidfd, which becomes readable when it ends", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const exit = once(child, "exit");
  const pidfd = sys.pidfdOpen(child.pid ?? 0);
  sys.signal(pidfd, 0);
  const ended = sys.poll(pidfd, "read");
  sys.signal(pidfd, SIGTERM);
  await ended;
  expect(await exit).toEqual([null, "SIGTERM"]);
  expect(() => sys.signal(pidfd, SIGTERM)).toThrow(`send signal 15 to pidfd ${pidfd}: ESRCH (no such process)`);
  sys.close(pidfd);
  expect(() => sys.pidfdOpen(child.pid ?? 0)).toThrow(`pidfd_open pid ${child.pid}: ESRCH`);
});

test("failed namespace calls name their object", () => {
  expect(() => sys.setns(0, CLONE_NEWNET)).toThrow("setns fd 0: EINVAL (invalid argument)");
  expect(() => sys.unshare(0x1)).toThrow("unshare 0x1: EINVAL (invalid argument)");
});

test("the process can be made dumpable or not", () => {
  const addon = nativeAddon();
  sys.setDumpable(false);
  expect(addon.setDumpable(1)).toBe(0);
});

describe.skipIf(!isRoot())(`with root${why}`, () => {
  test("a changed host name is visible only within its uts namespace", () => {
    const outside = hostname();
    const home = openSync("/proc/thread-self/ns/uts", "r");
    sys.unshare(CLONE_NEWUTS);
    try {
      sys.sethostname("inside");
      expect(hostname()).toBe("inside");
      expect(execFileSync("uname", ["-n"]).toString()).toBe("inside\n");
    } finally {
      sys.setns(home, CLONE_NEWUTS);
      sys.close(home);
    }
    expect(hostname()).toBe(outside);
  });
});

/** The calls on an addon of which each function returns `result`. */
const answering = (result: number) =>
  processCalls(new Proxy({}, { get: () => () => result }) as unknown as ReturnType<typeof nativeAddon>);

test.each<[string, (calls: ReturnType<typeof processCalls>) => unknown]>([
  ["unshare 0x4000000", (calls) => calls.unshare(CLONE_NEWUTS)],
  ["setns fd 7", (calls) => calls.setns(7, 0)],
  ["sethostname box", (calls) => calls.sethostname("box")],
  ["send signal 15 to pidfd 7", (calls) => calls.signal(7, SIGTERM)],
  ["pidfd_open pid 40", (calls) => calls.pidfdOpen(40)],
  ["prctl PR_SET_DUMPABLE", (calls) => calls.setDumpable(true)],
  ["seccomp filter for this process", (calls) => calls.refuseCalls(new Uint8Array(8))],
])("a failure is reported as %s with the errno", (text, call) => {
  expect(() => call(answering(-1))).toThrow(`${text}: EPERM (operation not permitted)`);
  expect(() => call(answering(0))).not.toThrow();
});

test("a thread with its own seccomp filter fails the filter of the process", () => {
  expect(() => answering(17).refuseCalls(new Uint8Array(8))).toThrow(
    "seccomp thread 17 has its own filter: ESRCH (no such process)",
  );
});

test.each([1, 0, -1, -4711])("the process group %i can't be killed: no child leads it", (leader) => {
  expect(() => answering(0).killGroup(leader)).toThrow(`killGroup: ${leader} can't be a child's process group`);
});

test("a process group is killed with all its processes, and one that has ended is fine", async () => {
  const leader = spawn("sh", ["-c", "sleep 60 & echo $!; wait"], { detached: true });
  const ended = once(leader, "close");
  await once(leader.stdout, "data");
  sys.killGroup(leader.pid ?? 0);
  // The background process has the output too: it is closed once both have ended.
  expect(await ended).toEqual([null, "SIGKILL"]);
  sys.killGroup(leader.pid ?? 0);
});

test("memory is kept for good by its bytes, and the same memory is returned", () => {
  const kept: unknown[] = [];
  const addon = { keepForGood: (bytes: Uint8Array) => kept.push(bytes.buffer) };
  const memory = new ArrayBuffer(8);
  expect(processCalls(addon as unknown as ReturnType<typeof nativeAddon>).keepForGood(memory)).toBe(memory);
  expect(kept[0]).toBe(memory);
});

test("garbage collection and trimming are the addon's", () => {
  const called: string[] = [];
  const addon = { collectGarbage: () => called.push("collect"), trimHeap: () => called.push("trim") };
  const calls = processCalls(addon as unknown as ReturnType<typeof nativeAddon>);
  calls.collectGarbage();
  calls.trimHeap();
  expect(called).toEqual(["collect", "trim"]);
});
