import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { CLONE_NEWNET, CLONE_NEWUTS, SIGTERM } from "../constants.ts";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { nativeAddon } from "./native-addon.ts";
import { openSys } from "./sys.ts";

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

test("the process can be renamed, made a subreaper, and made dumpable or not", () => {
  const addon = nativeAddon();
  const name = readFileSync("/proc/self/comm", "utf8").trim();
  sys.setThreadName("guestd-test");
  expect(readFileSync(`/proc/self/task/${process.pid}/comm`, "utf8")).toBe("guestd-test\n");
  sys.setThreadName(name.slice(0, 15));
  sys.setChildSubreaper(true);
  sys.setChildSubreaper(false);
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
