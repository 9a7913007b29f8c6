import { openSync } from "node:fs";
import { expect, test } from "vitest";
import { openSys } from "../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import type { ProcessLabel } from "./process/process-label.ts";
import { isConsoleShell, launchConsoleShell, launchShell, restoreConsoleShell } from "./shell.ts";
import { testKernel } from "./testing/test-kernel.ts";

const sys = openSys();
leavesNoDescriptors();

test("a shell on the console uses it as stdin, stdout, stderr and controlling terminal", async () => {
  const kernel = testKernel();
  const shell = await launchConsoleShell(kernel, "/dev/null");
  const [child] = kernel.init.children;
  const { plan = [], keep, label = "" } = child?.request ?? {};
  expect(plan).toEqual([
    { op: "setsid" },
    { op: "stdio", stdin: 1, stdout: 1, stderr: 1 },
    { op: "ctty" },
    { op: "chdir", path: "/" },
    { op: "find", candidates: expect.arrayContaining(["/bin/sh"]) },
    { op: "exec", args: ["sh"], env: expect.any(Array) },
  ]);
  expect([keep, isConsoleShell(JSON.parse(label))]).toEqual([{}, true]);
  child?.end();
  await shell.exit;
  shell.destroy();
});

test("a missing console is reported by its name", async () => {
  await expect(async () => launchConsoleShell(testKernel(), "/dev/none")).rejects.toThrow("open /dev/none: ENOENT");
});

test("a restarted agent finds the console shell, and takes no other process for it", async () => {
  const exit = Promise.resolve({ code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 });
  const process = (id: number, exec: string) => {
    const label = JSON.stringify({ container: "", exec });
    return { id, pid: 40 + id, pidfd: openSync("/dev/null", "r"), exit, label, kept: {} };
  };
  const processes = [process(1, "console-1"), process(2, "/dev/console")];
  const kernel = testKernel({ greeting: { processes } });
  const found = restoreConsoleShell(kernel);
  expect(found?.pid).toBe(42);
  found?.destroy();
  sys.close(processes[0]?.pidfd ?? -1);
});

test("each shell on a pty has its own name and is no console shell", async () => {
  const descriptor = () => {
    const { read, write } = sys.pipe();
    sys.close(write);
    return read;
  };
  const kernel = testKernel({ sys: { openTerminal: descriptor, terminalPeer: descriptor, terminalNumber: () => 4 } });
  const shells = [await launchShell(kernel), await launchShell(kernel)];
  const labels = kernel.init.children.map(({ request }) => JSON.parse(request.label) as ProcessLabel);
  expect(labels).toEqual([
    { container: "", exec: expect.stringMatching(/^console-\d+$/) },
    { container: "", exec: expect.stringMatching(/^console-\d+$/) },
  ]);
  expect(labels[0]?.exec).not.toBe(labels[1]?.exec);
  expect(labels.some(isConsoleShell)).toBe(false);
  expect(Object.keys(kernel.init.children[0]?.request.keep ?? {})).toEqual(["terminal"]);
  expect(shells.every(({ terminal }) => terminal)).toBe(true);
  for (const shell of shells) shell.destroy();
  for (const child of kernel.init.children) child.end();
});

test("a process without a label of an agent is no console shell", () => {
  expect(isConsoleShell(undefined)).toBe(false);
  expect(isConsoleShell({ container: "c1", exec: "/dev/console" })).toBe(false);
  expect(restoreConsoleShell(testKernel())).toBeUndefined();
});
