import { existsSync, mkdtempSync, openSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChildDouble } from "../../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { type RuntimeCommand, runCommand } from "./runtime-command.ts";

const directory = mkdtempSync(join(tmpdir(), "runtime-command-"));
const log = join(directory, "log");
let kernel = testKernel();
afterAll(() => rmSync(directory, { recursive: true }));
leavesNoDescriptors();
afterEach(() => vi.restoreAllMocks());
beforeEach(() => {
  kernel = testKernel();
  rmSync(log, { force: true });
});

function command(): RuntimeCommand {
  const open = () => openSync("/dev/null", "r");
  const label = { container: "c1", exec: "c1", command: "create" };
  return { args: ["/bin/crun", "create", "c1"], title: "crun create c1", log, label, stdio: [open(), open(), open()] };
}

/** Runs it until it ends with this code and log. */
async function run(code: number, text?: string): Promise<void> {
  const running = runCommand(kernel, command());
  if (text !== undefined) writeFileSync(log, text);
  await expect.poll(() => kernel.init.children.length).toBe(1);
  kernel.init.children.at(-1)?.end({ code });
  await running;
}

test("runs the program in a session of its own, from /, with a PATH, and forgets it", async () => {
  await run(0, "");
  const { request } = kernel.init.children.at(-1) ?? {};
  expect(request?.plan).toEqual([
    { op: "setsid" },
    { op: "stdio", stdin: 1, stdout: 2, stderr: 3 },
    { op: "chdir", path: "/" },
    { op: "find", candidates: ["/bin/crun"] },
    { op: "exec", args: ["/bin/crun", "create", "c1"], env: [expect.stringMatching(/^PATH=.*:\/usr\/bin:/)] },
  ]);
  expect(request?.label).toBe('{"container":"c1","exec":"c1","command":"create"}');
  expect(kernel.init.calls.at(-1)).toEqual(["forget", request?.id]);
  expect(existsSync(log)).toBe(false);
});

test.each([
  [
    "the last error of its log, in one line",
    '{"level":"error","msg":"first"}\n{"level":"fatal","msg":" a\\n b "}\n',
    "a b",
  ],
  [
    "no warning, and nothing that isn't JSON",
    '{"level":"error","msg":"bad"}\n{"level":"warning","msg":"w"}\nx\n',
    "bad",
  ],
  ["its exit code if the log has no error", '{"level":"info","msg":"fine"}\n{"level":"error"}\n', "exit code 3"],
  ["its exit code without a log", undefined, "exit code 3"],
  ["1,000 characters at most", `{"level":"error","msg":"${"x".repeat(2000)}"}`, "x".repeat(1000)],
])("a command that fails is reported with %s", async (_, text, why) => {
  await expect(run(3, text)).rejects.toThrow(new RegExp(`^crun create c1: ${why}$`));
  expect(existsSync(log)).toBe(false);
});

test("a command whose caller gives up is killed", async () => {
  const caller = new AbortController();
  const running = runCommand(kernel, command(), caller.signal);
  await expect.poll(() => kernel.init.children.length).toBe(1);
  caller.abort(new Error("given up"));
  await expect(running).rejects.toThrow("given up");
  expect(kernel.signals).toEqual([[kernel.init.children.at(-1)?.pid, 9]]);
});

test("a command that does not end in time is killed", async () => {
  const limit = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(limit.signal);
  const running = runCommand(kernel, command());
  await expect.poll(() => kernel.init.children.length).toBe(1);
  limit.abort(new Error("timeout"));
  await expect(running).rejects.toMatchObject({
    message: "crun create c1: it did not end within 120 s",
    kind: "internal",
  });
  expect(kernel.signals).toEqual([[kernel.init.children.at(-1)?.pid, 9]]);
});

test("a command runs in the given cgroup", async () => {
  const running = runCommand(kernel, { ...command(), cgroup: directory });
  await expect.poll(() => kernel.init.children.length).toBe(1);
  const child = kernel.init.children[0] as ChildDouble;
  const { request, slots } = child;
  expect(readlinkSync(`/proc/self/fd/${slots[request.cgroupSlot ?? -1]}`)).toBe(directory);
  child.end({ code: 0 });
  await running;
});

test("a cgroup that is gone, or a pipe that can't be opened, leaves no descriptor", async () => {
  const missing = join(directory, "missing");
  await expect(runCommand(kernel, { ...command(), cgroup: missing })).rejects.toThrow(`open ${missing}: ENOENT`);
  const refuse = () => {
    throw new Error("EMFILE");
  };
  Object.assign(kernel.sys, { pipe: refuse });
  await expect(runCommand(kernel, { ...command(), cgroup: directory })).rejects.toThrow("EMFILE");
});
