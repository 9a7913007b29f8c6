import { mkdirSync, mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import type { FileAttributes } from "../../kernel/files/file-protocol.ts";
import type { ChildDouble } from "../../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { HOOK_COMMAND } from "../hooks/run-hooks.ts";
import type { Process } from "../process/process.ts";
import type { ProcessLabel } from "../process/process-label.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { testSpec } from "../testing/test-spec.ts";
import { BuiltInRuntime } from "./built-in-runtime.ts";

leavesNoDescriptors();
const never = new AbortController().signal;
const [EAGAIN, EBADF, EBUSY] = [11, 9, 16];
let directory = "";
let made: Process[] = [];
let children: readonly ChildDouble[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "built-in-"));
  for (const name of ["rootfs", "cgroup", "cgroup/leaf"]) mkdirSync(join(directory, name));
  made = [];
});
afterEach(() => {
  for (const process of made) process.destroy();
  for (const child of children) child.end();
  rmSync(directory, { recursive: true });
});

const hook = (path: string) => ({ path, args: [], env: [], timeout: 10 });
const labelOf = (child: ChildDouble) => JSON.parse(child.request.label) as ProcessLabel;

/** A created container. `hooks` plays each hook. */
async function created(
  parts: Parameters<typeof testKernel>[0] = {},
  hooks?: Partial<Record<"startContainer" | "poststart", readonly ReturnType<typeof hook>[]>>,
) {
  const kernel = testKernel(parts);
  children = kernel.init.children;
  const spec = testSpec({
    root: { path: join(directory, "rootfs"), readonly: false },
    mounts: [],
    linux: { ...testSpec().linux, namespaces: [{ type: "mount", path: "" }] },
    ...(hooks && { hooks }),
  });
  const cgroup = join(directory, "cgroup");
  const options = { id: "c1", spec, cgroup, pipeSize: 0 };
  const runtime = new BuiltInRuntime(kernel, options);
  const init = await runtime.create(undefined);
  made.push(init);
  const exec = async (process = testSpec().process) => {
    const started = await runtime.exec(init, "e1", process, never, { bornLast: false });
    made.push(started);
    return started;
  };
  return { kernel, options, runtime, init, exec };
}

/** Makes the init process ready; `play` plays all others. */
const others = (play: (child: ChildDouble) => void) => ({
  play: (child: ChildDouble) => {
    if (child.waits) return child.report({ kind: "ready" });
    child.executed();
    play(child);
  },
});

test.each([
  ["it was started already", "1 (x) S 0 0 0 0 0 0"],
  ["its init process has ended", "1 (x) S 0 0 0 0 0 4"],
])("the start of a container whose init process no longer waits fails: %s", async (why, stat) => {
  const { runtime, init } = await created({ files: { readText: () => stat } });
  children[0]?.end();
  await expect(runtime.start(init, never)).rejects.toMatchObject({
    message: `start container c1: ${why}`,
    kind: "internal",
    cause: { code: "EPIPE" },
  });
  expect([init.release, init.report]).toEqual([undefined, undefined]);
});

test("a start that an earlier agent had begun continues with the report", async () => {
  const { runtime, init } = await created();
  children[0]?.end();
  let executed = 0;
  await runtime.start(init, never, true, () => executed++);
  expect([executed, init.release]).toEqual([1, undefined]);
  await runtime.start(init, never, true, () => executed++);
  expect(executed).toBe(1);
});

test.each([
  ["write release pipe: EAGAIN", () => -1],
  [
    "write: EBADF",
    () => {
      throw new SystemError("write", EBADF, "");
    },
  ],
])("a release that can't be written fails the start with %s, which can be repeated", async (why, write) => {
  const { kernel, runtime, init } = await created();
  const real = kernel.sys.write;
  Object.assign(kernel.sys, { write });
  await expect(runtime.start(init, never)).rejects.toThrow(why);
  Object.assign(kernel.sys, { write: real });
  expect(init.release).toBeDefined();
});

test("a failed execve is reported with its operation, and nothing counts as executed", async () => {
  const { runtime, init } = await created();
  const [child] = children;
  const index = (child?.request.plan.length ?? 0) - 1;
  child?.report({ kind: "failed", index, errno: 7, text: "" });
  let executed = 0;
  await expect(runtime.start(init, never, false, () => executed++)).rejects.toThrow("execve /bin/sh: E2BIG");
  expect(executed).toBe(0);
});

test("a failed execve is one line for a restarted agent, too, which has no plan", async () => {
  const { kernel, options, init } = await created();
  children[0]?.report({ kind: "failed", index: 3, errno: 1, text: "" });
  const restarted = new BuiltInRuntime(kernel, options);
  await expect(restarted.start(init, never, true)).rejects.toThrow(/^launch: EPERM \(operation not permitted\)$/);
});

test("startContainer hooks run in the container before its program, poststart hooks after it", async () => {
  const order: string[] = [];
  const play = others((child) => {
    const found = child.request.plan.find(({ op }) => op === "find");
    order.push(found?.op === "find" ? (found.candidates[0] ?? "") : "");
    expect(labelOf(child)).toEqual({ container: "c1", exec: "c1", command: HOOK_COMMAND });
    child.end();
  });
  const { runtime, init } = await created(play, { startContainer: [hook("/before")], poststart: [hook("/after")] });
  children[0]?.executed();
  await runtime.start(init, never, false, () => order.push("executed"));
  expect(order).toEqual(["/before", "executed", "/after"]);
  expect(children[1]?.request.plan.some(({ op }) => op === "setns")).toBe(true);
});

test("a startContainer hook that fails kills the container", async () => {
  const play = others((child) => child.end({ code: 3 }));
  const { kernel, runtime, init } = await created(play, { startContainer: [hook("/bad")] });
  await expect(runtime.start(init, never)).rejects.toThrow("hook startContainer[0] /bad: exit status 3");
  expect(kernel.signals).toEqual([[init.pid, 9]]);
});

test("a container that ends while its startContainer hooks run is not started, and its hooks are killed", async () => {
  const play = others(() => children[0]?.end({ code: 137, signal: 9 }));
  const { kernel, runtime, init } = await created(play, { startContainer: [hook("/slow")] });
  await expect(runtime.start(init, never)).rejects.toThrow(
    "hook startContainer[0] /slow: killed because its container has ended",
  );
  expect(kernel.signals.map(([pid, signal]) => [Math.abs(pid), signal])).toEqual([[children[1]?.pid, 9]]);
});

test("a container that ends together with its last startContainer hook is not started", async () => {
  const play = others((child) => child.end());
  const { kernel, runtime, init } = await created(play, { startContainer: [hook("/quick")] });
  const { forget } = kernel.init;
  Object.assign(kernel.init, {
    forget: (id: number) => {
      forget(id);
      children[0]?.end();
    },
  });
  await expect(runtime.start(init, never)).rejects.toThrow('process not found: "c1" (it ended before it was started)');
  expect(init.release).toBeDefined();
});

test("an exec in a container that moved its processes is launched into the cgroup of its init process", async () => {
  const readText = (path: string) => {
    if (path.endsWith("/cgroup")) return `0::${join(directory, "cgroup/leaf")}\n`;
    throw Object.assign(new Error(path), { code: "ENOENT" });
  };
  const { kernel, exec } = await created({ files: { readText } });
  kernel.init.refuse(new SystemError("clone3", EBUSY, ""));
  await exec();
  const { cgroupSlot = -1 } = children[1]?.request ?? {};
  expect(readlinkSync(`/proc/self/fd/${children[1]?.slots[cgroupSlot]}`)).toBe(join(directory, "cgroup/leaf"));
});

test.each([
  ["clone3", EAGAIN],
  ["setns", EBUSY],
])("an exec that fails with another error (%s, %i) is not launched again", async (call, errno) => {
  const { kernel, exec } = await created();
  kernel.init.refuse(new SystemError(call, errno, ""));
  await expect(exec()).rejects.toThrow(call);
  expect(children).toHaveLength(1);
});

test("an exec's terminal is opened in the container's devpts", async () => {
  const descriptor = () => {
    const { read, write } = testKernel().sys.pipe();
    testKernel().sys.close(write);
    return read;
  };
  const sys = {
    openTerminal: descriptor,
    terminalPeer: descriptor,
    terminalNumber: () => 4,
  };
  const open = async () => ({ handle: descriptor(), attributes: {} as FileAttributes });
  const { exec } = await created({ sys, contained: { open }, pid: process.pid });
  const started = await exec({ ...testSpec().process, terminal: true });
  expect([started.terminal, Object.keys(children[1]?.request.keep ?? {})]).toEqual([true, ["terminal"]]);
});

test("a signal goes to the process itself", async () => {
  const { kernel, runtime, init, exec } = await created();
  runtime.signal(init, 1, true);
  runtime.signal(await exec(), 2, false);
  expect(kernel.signals.map(([, signal]) => signal)).toEqual([1, 2]);
});

test.each([
  ["still runs init's program", process.ppid, 1],
  ["runs its own program", 2 ** 22 + 1, 0],
])("a repeated start of a container that %s runs its startContainer hooks accordingly", async (_, pid, hooks) => {
  const { runtime, init } = await created(
    { pid, ...others((child) => child.end()) },
    { startContainer: [hook("/before")] },
  );
  children[0]?.executed();
  await runtime.start(init, never, true);
  expect(children).toHaveLength(1 + hooks);
});

test("an exec that has ended is forgotten once it was waited for and its output was read", async () => {
  const { kernel, exec } = await created();
  const started = await exec();
  children[1]?.end();
  await started.exit;
  started.markWaited();
  expect(kernel.init.calls).toContainEqual(["forget", started.launchId]);
});

test("an exec without HOME gets the one of its user in the container's passwd", async () => {
  const passwd = Buffer.from("root:x:0:0:root:/home/of/root:/bin/sh\n");
  const load = async () => passwd;
  const { exec } = await created({ contained: { load }, pid: process.pid });
  await exec();
  const last = children[1]?.request.plan.at(-1);
  expect(last?.op === "exec" && last.env).toContain("HOME=/home/of/root");
});

test("an exec without HOME gets / if its container has just ended", async () => {
  const { exec } = await created({ pid: 2 ** 22 + 1 });
  await exec();
  const last = children[1]?.request.plan.at(-1);
  expect(last?.op === "exec" && last.env).toContain("HOME=/");
});
