import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { ChildDouble, InitDoubleOptions } from "../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { openDescriptors } from "../kernel/testing/open-descriptors.ts";
import { Container } from "./container.ts";
import { Process } from "./process/process.ts";
import type { ProcessSpec } from "./spec.ts";
import { testKernel } from "./testing/test-kernel.ts";
import { testSpec } from "./testing/test-spec.ts";

const never = new AbortController().signal;
let directory = "";

leavesNoDescriptors();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-container-"));
  for (const name of ["rootfs", "cgroup"]) mkdirSync(join(directory, name));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const spec = () =>
  testSpec({
    root: { path: join(directory, "rootfs"), readonly: false },
    mounts: [],
    linux: { ...testSpec().linux, namespaces: [{ type: "mount", path: "" }] },
  });
const NO_CAPABILITIES = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
const sleep: ProcessSpec = { ...testSpec().process, args: ["sleep", "1"] };

async function create(options: InitDoubleOptions & { readonly files?: Partial<Files> } = {}) {
  const kernel = testKernel(options);
  const container: Container = await Container.create(kernel, {
    id: "c1",
    spec: spec(),
    cgroup: join(directory, "cgroup"),
    pipeSize: 0,
    traceGuard: {
      mayBeTraced: () => container.mayTrace,
      settled: () => Promise.allSettled(container.exposed),
      refuseTracer: () => undefined,
    },
  });
  return { kernel, container, child: (index: number) => kernel.init.children[index] as ChildDouble };
}

/** A container with so many execs of an earlier agent, which have ended. */
async function withEnded(count: number) {
  const { kernel, container } = await create();
  const exited = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
  const execs = Array.from({ length: count }, (_, index) => {
    const restored = { id: 10_000 + index, pid: 1, pidfd: undefined, label: "", kept: {}, exited };
    return Process.restore(kernel, String(index + 1), { ...restored, exit: Promise.resolve(exited) });
  });
  const options = { id: "c1", spec: spec(), cgroup: container.cgroup, pipeSize: 0 };
  return { container: Container.restore(kernel, options, container.init, execs), execs };
}

/** Makes the init process report that it is ready; `exec` plays the execs. */
const only = (exec: (child: ChildDouble) => void) => ({
  play: (child: ChildDouble) => (child.waits ? child.report({ kind: "ready" }) : exec(child)),
});
const tick = () => new Promise((resolve) => setTimeout(resolve, 5));

test.each([
  ["its own", "", false],
  ["the pod's", "/proc/self/ns/pid", true],
])("a container with %s pid namespace, once its init process has ended, may trace: %s", async (_, path, may) => {
  const { container, child } = await create();
  const bounding = ["CAP_SYS_PTRACE"];
  const process = { ...container.spec.process, capabilities: { ...NO_CAPABILITIES, bounding } };
  const exec = container.exec("1", process).then(({ exit }) => exit);
  await tick();
  container.spec = { ...container.spec, linux: { ...container.spec.linux, namespaces: [{ type: "pid", path }] } };
  expect([container.mayTrace, container.isKnownTracer]).toEqual([true, true]);
  child(0).end({ code: 137, signal: 9 });
  await container.init.exit;
  expect([container.mayTrace, container.isKnownTracer, container.traces]).toEqual([may, may, may]);
  child(1).end();
  await exec;
  await container.remove(AbortSignal.timeout(50_000));
});

describe("start", () => {
  test("writes the byte that the init process waits for, and resolves after its execve", async () => {
    const { kernel, container, child } = await create();
    const started = container.start();
    const release =
      child(0).slots.find(
        (fd, slot) => fd >= 0 && child(0).request.plan.some((op) => op.op === "wait" && op.slot === slot),
      ) ?? -1;
    await tick();
    expect(kernel.sys.read(release, new Uint8Array(2))).toBe(1);
    child(0).executed();
    await started;
    await expect(container.start()).rejects.toThrow("start container c1: it was started already");
    await container.remove(never);
  });

  test("skips a readiness report that an earlier agent left unread", async () => {
    const { container, child } = await create({
      play: (child) => {
        child.report({ kind: "ready" });
        child.report({ kind: "ready" });
      },
    });
    const index = child(0).request.plan.length - 1;
    child(0).report({ kind: "failed", index, errno: 7, text: "" });
    await expect(container.start()).rejects.toThrow("execve /bin/sh: E2BIG");
    await container.remove(never);
  });

  test("rejects if the init process was killed", async () => {
    const { container, child } = await create();
    child(0).end({ code: 137, signal: 9 });
    await container.init.exit;
    await expect(container.start()).rejects.toThrow("start container c1: its init process has ended");
    await container.remove(never);
  });

  test("is cancelled by a removal if it hangs", async () => {
    const { container } = await create();
    const started = container.start();
    await tick();
    await container.remove(never);
    await expect(started).rejects.toThrow("container c1 is being removed");
  });
});

describe("an exec", () => {
  test("that hangs before execve delays neither another exec nor the removal", async () => {
    const hanging = new Set(["1"]);
    const { container, kernel } = await create(
      only((child) => !hanging.has(JSON.parse(child.request.label).exec) && child.executed()),
    );
    const stuck = container.exec("1", sleep);
    await container.exec("2", sleep);
    await container.remove(never);
    await expect(stuck).rejects.toThrow("container c1 is being removed");
    expect(kernel.signals.map(([, signal]) => signal)).toEqual([9, 9, 9]);
  });

  test("whose caller cancels before execve is killed and forgotten", async () => {
    const { container, kernel } = await create(only(() => {}));
    const patience = new AbortController();
    const stuck = container.exec("1", sleep, patience.signal);
    await tick();
    patience.abort(new Error("deadline"));
    await expect(stuck).rejects.toThrow("deadline");
    expect(kernel.signals).toEqual([[5001, 9]]);
    container.checkFree("1");
    expect(container.processes).toHaveLength(1);
    await container.remove(never);
  });

  test("that may trace others is launched once launches that assumed no tracer have finished", async () => {
    const { container, child, kernel } = await create(only(() => {}));
    const forks = (index: number) => child(index).request.plan.some(({ op }) => op === "fork");
    const trusting = container.exec("1", sleep);
    await tick();
    const bounding = ["CAP_SYS_PTRACE"];
    const tracer = container.exec("2", { ...sleep, capabilities: { ...NO_CAPABILITIES, bounding } });
    const careful = container.exec("3", sleep);
    await tick();
    expect(kernel.init.children.map(({ request }) => JSON.parse(request.label).exec)).toEqual(["c1", "1", "3"]);
    child(1).executed();
    await trusting;
    await tick();
    expect([forks(1), forks(2), forks(3)]).toEqual([false, true, true]);
    for (const index of [2, 3]) child(index).executed();
    await Promise.all([tracer, careful]);
    await container.remove(never);
  });

  test("reserves its id from the beginning of its launch", async () => {
    const { container, child } = await create(only(() => {}));
    const first = container.exec("1", sleep);
    await expect(container.exec("1", sleep)).rejects.toThrow('exec process: the exec id "1" already exists');
    child(1).executed();
    await first;
    await expect(container.exec("1", sleep)).rejects.toThrow("already exists");
    await container.remove(never);
  });

  test("may reuse the id of one that was waited for", async () => {
    const { container, child } = await create();
    const first = await container.exec("1", sleep);
    child(1).end();
    await first.exit;
    first.markWaited();
    const second = await container.exec("1", sleep);
    expect(container.find("1")).toBe(second);
    await container.remove(never);
  });

  test("that fails leaves no descriptor open, at whichever step", async () => {
    const { container, kernel } = await create();
    kernel.init.refuse(new Error("refused"));
    await expect(container.exec("1", sleep)).rejects.toThrow("refused");
    rmSync(container.cgroup, { recursive: true });
    const open = openDescriptors();
    await expect(container.exec("2", sleep)).rejects.toThrow("ENOENT");
    expect(openDescriptors()).toBe(open);
    await container.remove(never);
  });

  test("is refused when the init process has ended", async () => {
    const { container, child } = await create();
    child(0).end();
    await container.init.exit;
    await expect(container.exec("1", sleep)).rejects.toThrow("exec in container c1: its init process has ended");
    await container.remove(never);
  });

  test("that fails because the init process is ending names that reason, and keeps the cause", async () => {
    const { container, kernel } = await create({
      files: { readText: () => "1 (sleep) S 0 0 0 0 0 4" },
    });
    const cause = new SystemError("setns", 3, "pid namespace of the launch");
    kernel.init.refuse(cause);
    await expect(container.exec("1", sleep)).rejects.toMatchObject({
      message: "exec in container c1: its init process has ended",
      cause,
    });
    await container.remove(never);
  });

  test("is dropped, even if it was never waited for, once a thousand newer ones have ended", async () => {
    const { container, execs } = await withEnded(1030);
    await container.exec("new", sleep);
    expect(container.processes).toHaveLength(1026);
    container.checkFree("6");
    for (const id of ["7", "1030"]) expect(() => container.checkFree(id)).toThrow("already exists");
    expect(execs[0]?.finished).toBe(false);
    await container.remove(never);
  });

  test("that was never waited for outlives a thousand that were", async () => {
    const { container, execs } = await withEnded(1030);
    for (const exec of execs.slice(3)) exec.markWaited();
    await container.exec("new", sleep);
    expect(["1", "2", "3"].map((id) => container.find(id).status?.code)).toEqual([0, 0, 0]);
    expect(() => container.find("4")).toThrow("process not found");
    expect(container.find("1030").waited).toBe(true);
    await container.remove(never);
  });

  test("is kept while a thousand others or fewer have ended", async () => {
    const { container } = await withEnded(1024);
    await container.exec("new", sleep);
    expect(container.processes).toHaveLength(1026);
    await container.remove(never);
  });
});

describe("remove", () => {
  test("waits for the end in each of two concurrent calls", async () => {
    const { container } = await create();
    await Promise.all([container.remove(never), container.remove(never)]);
    expect(container.init.status?.code).toBe(137);
  });

  test("is cancelled with its caller, and may be called again", async () => {
    const { container, kernel, child } = await create();
    const signal = kernel.sys.signal;
    kernel.sys.signal = () => {};
    await expect(container.remove(AbortSignal.timeout(20))).rejects.toThrow();
    kernel.sys.signal = signal;
    const again = container.remove(never);
    await again;
    expect(child(0).slots.every((fd) => fd === -1)).toBe(true);
  });

  test("does not delay a second call when the first is cancelled", async () => {
    const { container, kernel, child } = await create();
    kernel.sys.signal = () => {};
    const patient = container.remove(never);
    await expect(container.remove(AbortSignal.timeout(20))).rejects.toThrow();
    child(0).end();
    await patient;
  });
});
