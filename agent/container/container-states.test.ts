import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { realFiles } from "../kernel/files.ts";
import type { ChildDouble } from "../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { Container } from "./container.ts";
import { Process } from "./process/process.ts";
import type { ContainerOptions } from "./runtime/runtime.ts";
import type { Spec } from "./spec.ts";
import { type TestKernel, testKernel } from "./testing/test-kernel.ts";
import { testSpec } from "./testing/test-spec.ts";

leavesNoDescriptors();
const never = new AbortController().signal;
let directory = "";
let kernel: TestKernel;
let container: Container;
/** False if the kernel does not freeze or thaw the cgroup. */
let obeys = true;

const cgroupFile = (name: string) => join(directory, "cgroup", name);
const frozen = () => readFileSync(cgroupFile("cgroup.freeze"), "utf8");
const child = (index: number) => kernel.init.children[index] as ChildDouble;
const exec = (id: string) => container.exec(id, testSpec().process);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "container-states-"));
  for (const name of ["rootfs", "cgroup"]) mkdirSync(join(directory, name));
  for (const name of ["cgroup.kill", "cgroup.freeze"]) writeFileSync(cgroupFile(name), "0");
  writeFileSync(cgroupFile("cgroup.events"), "populated 1\nfrozen 0\n");
  obeys = true;
});
afterEach(async () => {
  await container?.remove(never);
  rmSync(directory, { recursive: true });
});

function optionsOf(parts: Partial<Spec> = {}): ContainerOptions {
  const root = { path: join(directory, "rootfs"), readonly: false };
  const linux = { ...testSpec().linux, namespaces: [{ type: "mount", path: "" }] };
  const spec = testSpec({ root, mounts: [], linux, ...parts });
  return { id: "c1", spec, cgroup: join(directory, "cgroup"), pipeSize: 0 };
}

async function create(parts: Partial<Spec> = {}, play?: (child: ChildDouble) => void): Promise<void> {
  kernel = testKernel({
    ...(play && { play }),
    files: {
      writeText(path, text) {
        realFiles.writeText(path, text);
        const isFreeze = obeys && path === cgroupFile("cgroup.freeze");
        if (isFreeze) realFiles.writeText(cgroupFile("cgroup.events"), `populated 1\nfrozen ${text}\n`);
      },
    },
  });
  container = await Container.create(kernel, optionsOf(parts));
}

/** Starts the container: its init process runs. */
async function started(): Promise<void> {
  await create();
  child(0).executed();
  await container.start();
}

describe("a pause", () => {
  test("freezes a container until it is resumed", async () => {
    await started();
    await container.pause(never);
    expect([container.paused, frozen()]).toEqual([true, "1"]);
    await container.resume(never);
    expect([container.paused, frozen()]).toEqual([false, "0"]);
  });

  test("is refused for a paused or an ended container, whose state is named", async () => {
    await started();
    await expect(container.resume(never)).rejects.toMatchObject({
      message: "failed to resume container c1: current status is: Running",
      kind: "internal",
    });
    await container.pause(never);
    await expect(container.pause(never)).rejects.toThrow("failed to pause container c1: current status is: Paused");
    await container.resume(never);
    child(0).end();
    await container.init.exit;
    await expect(container.pause(never)).rejects.toThrow("failed to pause container c1: current status is: Stopped");
  });

  test("of a container that isn't started works, too", async () => {
    await create();
    await expect(container.resume(never)).rejects.toThrow("current status is: Created");
    await container.pause(never);
    await expect(container.start()).rejects.toThrow("start container c1: it is paused; resume it first");
    await expect(exec("1")).rejects.toThrow("exec in container c1: it is paused; resume it first");
    expect(() => container.checkFree("1")).not.toThrow();
  });

  test("that fails leaves the container running", async () => {
    await started();
    obeys = false;
    const caller = new AbortController();
    const pausing = container.pause(caller.signal);
    await expect.poll(frozen).toBe("1");
    caller.abort(new Error("deadline"));
    await expect(pausing).rejects.toThrow("deadline");
    expect([container.paused, frozen()]).toEqual([false, "0"]);
  });

  test("that can't be ended stays", async () => {
    await started();
    await container.pause(never);
    obeys = false;
    const caller = new AbortController();
    const resuming = container.resume(caller.signal);
    await expect.poll(frozen).toBe("0");
    caller.abort(new Error("deadline"));
    await expect(resuming).rejects.toThrow("deadline");
    expect(container.paused).toBe(true);
  });

  test("names the removal that interrupts it", async () => {
    await started();
    obeys = false;
    const caller = new AbortController();
    const pausing = container.pause(caller.signal);
    await expect.poll(frozen).toBe("1");
    await container.remove(never);
    caller.abort(new Error("deadline"));
    await expect(pausing).rejects.toThrow("container c1 is being removed");
  });

  test("waits for execs that are being launched, so that their callers get an answer", async () => {
    await create({}, (each) => each.waits && each.report({ kind: "ready" }));
    const launching = exec("1");
    await expect.poll(() => kernel.init.children.length).toBe(2);
    const pausing = container.pause(never);
    await new Promise(setImmediate);
    expect([container.paused, frozen()]).toEqual([true, "0"]);
    child(1).executed();
    await Promise.all([launching, pausing]);
    expect(frozen()).toBe("1");
  });
});

describe("a signal", () => {
  test("goes to the init process, or to the exec that is named", async () => {
    await started();
    await exec("1");
    for (const id of ["", "c1", "1"]) await container.signal(id, 2);
    expect(kernel.signals).toEqual([
      [child(0).pid, 2],
      [child(0).pid, 2],
      [child(1).pid, 2],
    ]);
    await expect(container.signal("nope", 2)).rejects.toThrow('process not found: no exec "nope" in container c1');
  });

  test("SIGKILL without an exec id kills all processes by their cgroup, with an id only one", async () => {
    await started();
    await exec("1");
    await container.signal("1", 9);
    expect([kernel.signals, readFileSync(cgroupFile("cgroup.kill"), "utf8")]).toEqual([[[child(1).pid, 9]], "0"]);
    await container.signal("", 9);
    expect(readFileSync(cgroupFile("cgroup.kill"), "utf8")).toBe("1");
    expect(kernel.signals.at(-1)).toEqual([child(0).pid, 9]);
  });

  test("SIGTERM kills an init process that would not notice it, but not an exec", async () => {
    await started();
    await exec("1");
    await container.signal("", 15);
    await container.signal("1", 15);
    expect(kernel.signals.map(([, signal]) => signal)).toEqual([9, 15]);
  });

  test("0 only looks whether the process is there; any other is noted before it is sent", async () => {
    await started();
    const noted: number[] = [];
    await container.signal("", 0, () => noted.push(0));
    await container.signal("", 1, () => noted.push(kernel.signals.length));
    expect([noted, kernel.signals]).toEqual([[0], [[child(0).pid, 1]]]);
  });

  test("is refused after the process was waited for", async () => {
    await started();
    child(0).end();
    await container.init.exit;
    await container.signal("", 1);
    container.init.markWaited();
    await expect(container.signal("", 0)).rejects.toThrow('process not found: "c1" (ESRCH: No such process)');
  });
});

describe("a start", () => {
  test("that is repeated by a restarted agent does nothing if the container runs", async () => {
    await started();
    await container.start(true);
    await expect(container.start()).rejects.toThrow("it was started already");
  });

  test("runs the poststart hooks after the agent's death, if only they are missing", async () => {
    const poststart = [{ path: "/after", args: [], env: [], timeout: 10 }];
    await create({ hooks: { poststart } }, (each) => {
      if (each.waits) return each.report({ kind: "ready" });
      each.executed();
      each.end();
    });
    await container.afterStart();
    expect(kernel.init.children).toHaveLength(2);
  });
});

test("a container that may trace others starts and runs execs in a pod without other containers", async () => {
  const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  const tracer = { ...testSpec().process, capabilities: { ...none, bounding: ["CAP_SYS_PTRACE"] } };
  await create({ process: tracer });
  child(0).executed();
  expect([container.mayTrace, container.traces, container.isKnownTracer]).toEqual([true, false, true]);
  await container.start();
  expect(container.traces).toBe(true);
  const started = await container.exec("1", tracer);
  expect(container.find("1")).toBe(started);
});

describe("a container of another runtime", () => {
  test.each([
    ["runc", true],
    ["crun", false],
    [undefined, false],
  ])("that waits for its start (%s) has privileges: %s", async (runtime, expected) => {
    await create();
    container.spec = { ...container.spec, annotations: runtime === undefined ? {} : { "guestd.runtime": runtime } };
    expect(container.waitsPrivileged).toBe(expected);
    child(0).executed();
    container.spec = { ...container.spec, annotations: {} };
    await container.start();
    container.spec = { ...container.spec, annotations: { "guestd.runtime": "runc" } };
    expect(container.waitsPrivileged).toBe(false);
  });

  test("has none once it has ended", async () => {
    await create();
    container.spec = { ...container.spec, annotations: { "guestd.runtime": "runc" } };
    child(0).end();
    await container.init.exit;
    expect(container.waitsPrivileged).toBe(false);
    container.spec = { ...container.spec, annotations: {} };
  });
});

describe("a restored container", () => {
  const processOf = (id: string, pid: number) => {
    const { read, write } = kernel.sys.pipe();
    kernel.sys.close(write);
    return new Process(kernel, id, { id: pid, pid, pidfd: read, exit: Promise.withResolvers<never>().promise }, {});
  };
  async function restored(held = false, parts: Partial<Spec> = {}) {
    await create();
    const [init, one] = [processOf("c1", process.pid), processOf("1", process.ppid)];
    const other = Container.restore(kernel, optionsOf(parts), init, [one], held);
    const close = () => {
      for (const each of [init, one]) each.destroy();
    };
    return { other, close };
  }

  test("has its execs, and finds its pid namespace", async () => {
    const { other, close } = await restored();
    expect(other.processes).toEqual([other.init, other.find("1")]);
    expect(other.pidNamespace).toBeGreaterThan(0);
    kernel.sys.close(other.openPidNamespace());
    close();
  });

  test("is paused if its cgroup is frozen, unless the previous agent had frozen it for itself", async () => {
    writeFileSync(cgroupFile("cgroup.freeze"), "1");
    for (const held of [false, true]) {
      const { other, close } = await restored(held);
      expect(other.paused).toBe(!held);
      close();
      await container.remove(never);
    }
    const { other, close } = await restored();
    expect(other.paused).toBe(true);
    close();
  });

  test("may trace others, because its execs are unknown, unless it has a user namespace", async () => {
    for (const [type, may] of [
      ["mount", true],
      ["user", false],
    ] as const) {
      const linux = { ...testSpec().linux, namespaces: [{ type, path: "" }] };
      const { other, close } = await restored(false, { linux });
      expect([other.mayTrace, other.traces, other.isKnownTracer]).toEqual([may, may, false]);
      close();
      await container.remove(never);
    }
  });

  test("knows whether it is ready for its start, and which execs have passed execve", async () => {
    const { other, close } = await restored();
    expect(await other.isReady(never)).toBe(true);
    expect(await other.hasExecuted("nope", never)).toBe(false);
    const caller = new AbortController();
    const waiting = other.hasExecuted("1", caller.signal);
    caller.abort();
    await expect(waiting).rejects.toThrow("aborted");
    expect(await container.isReady(AbortSignal.timeout(1)).catch(() => "no report")).toBe("no report");
    close();
  });
});
