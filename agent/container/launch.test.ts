import { describe, expect, test } from "vitest";
import type { PlanOp } from "../kernel/init/plan.ts";
import type { Init } from "../kernel/kernel.ts";
import type { InitDoubleOptions } from "../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { launch, launchError, openLaunchFds } from "./launch.ts";
import { type LaunchPlan, PlanBuilder } from "./plan/plan-builder.ts";
import { testKernel } from "./testing/test-kernel.ts";

leavesNoDescriptors();

function plan(...names: string[]): LaunchPlan {
  const builder = new PlanBuilder();
  for (const name of ["report", ...names]) builder.slot(name);
  builder.add("process.cwd", { op: "chdir", path: "/nowhere" });
  return builder.finish();
}

const STDIO = ["stdin", "stdout", "stderr"];
const { sys } = testKernel();
const label = { container: "c", exec: "x" };

/** Runs a launch over pipes that must fail; the kill closes the child's copies. */
async function fail(options: InitDoubleOptions, names = STDIO, release = false, signal?: AbortSignal) {
  const kernel = testKernel(options);
  const fds = openLaunchFds(kernel, { release, pipeSize: 0 });
  const error = await launch(kernel, plan(...names), fds, new Map(), label, signal).catch((reason: Error) => reason);
  return { kernel, message: (error as Error).message };
}

describe("a launch", () => {
  test("keeps the agent's ends and closes the child's", async () => {
    const kernel = testKernel();
    const fds = openLaunchFds(kernel, { release: false, pipeSize: 0 });
    const { pidfd } = await launch(kernel, plan(...STDIO), fds, new Map(), label);
    expect(Object.keys(fds.own).sort()).toEqual(["stderr", "stdin", "stdout"]);
    kernel.init.children[0]?.end();
    for (const fd of [pidfd, ...Object.values(fds.own)]) kernel.sys.close(fd);
  });

  test.each([
    [["init"], {}, "init"],
    [["init", "pid"], {}, "pid"],
    [["init", "pid"], { bornOutside: true as const }, undefined],
    [[], {}, undefined],
  ])("with the slots %j and %j creates its process in the pid namespace of %s", async (names, more, expected) => {
    const kernel = testKernel();
    const fds = openLaunchFds(kernel, { release: false, pipeSize: 0 });
    const borrowed = kernel.sys.pipe();
    const slots = new Map(names.map((name) => [name, borrowed.read]));
    const asked = { ...plan(...names, ...STDIO), ...more };
    const { pidfd } = await launch(kernel, asked, fds, slots, label);
    const [child] = kernel.init.children;
    const slot = child?.request.pidNamespaceSlot;
    expect(slot === undefined ? undefined : asked.slots[slot]).toBe(expected);
    child?.end();
    for (const fd of [pidfd, ...Object.values(fds.own), ...Object.values(borrowed)]) kernel.sys.close(fd);
  });

  test("whose child reports a failure leaves nothing behind and reports it in one line", async () => {
    const { kernel, message } = await fail({
      play: (child) => child.report({ kind: "failed", index: 0, errno: 2, text: "" }),
    });
    expect(message).toBe("chdir /nowhere: ENOENT (no such file or directory), from process.cwd");
    expect(kernel.init.calls).toEqual([["forget", expect.any(Number)]]);
  });

  test("that does not reach its fork is cancelled", async () => {
    const kernel = testKernel();
    const waiting: Init["launch"] = (_, signal) =>
      new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    const init = { ...kernel.init, launch: waiting };
    const fds = openLaunchFds(kernel, { release: false, pipeSize: 0 });
    const signal = AbortSignal.timeout(20);
    const launched = launch({ ...kernel, init }, plan(...STDIO), fds, new Map(), label, signal);
    await expect(launched).rejects.toThrow("timeout");
  });

  test("of a container that dies before it is ready reports that", async () => {
    const { message } = await fail({ play: (child) => child.executed() }, [...STDIO, "release"], true);
    expect(message).toBe("launch: the process was killed before it was ready");
  });

  test("with a slot that has no descriptor leaves nothing behind", async () => {
    expect((await fail({}, ["stdin", "missing"])).message).toBe('launch: no descriptor for the slot "missing"');
  });

  test("that gets an invalid report kills its process", async () => {
    const { kernel, message } = await fail({ play: (child) => void sys.write(child.slots[0] ?? -1, Buffer.from("x")) });
    expect(message).toMatch(/^read report on fd \d+: not a launch report/);
    expect(kernel.signals).toEqual([[5000, 9]]);
  });

  test("that is cancelled kills its process", async () => {
    const { kernel, message } = await fail({ play: () => undefined }, STDIO, false, AbortSignal.timeout(10));
    expect(message).toMatch(/timeout/);
    expect(kernel.signals).toEqual([[5000, 9]]);
  });

  test("with a pause runs a function while the child waits there, and then releases it", async () => {
    const kernel = testKernel();
    const fds = openLaunchFds(kernel, { release: true, pipeSize: 0 });
    const waitsAt = plan(...STDIO, "release");
    const slot = waitsAt.slots.indexOf("release");
    const order: string[] = [];
    const launched = await launch(kernel, waitsAt, fds, new Map(), label, undefined, async ({ pid }) => {
      order.push(`paused ${pid}`);
      const [child] = kernel.init.children;
      const released = child?.slots[slot] ?? -1;
      kernel.sys.setNonBlocking(released);
      expect(kernel.sys.read(released, new Uint8Array(1))).toBe(-1);
      void kernel.sys.poll(released, "read").then(() => {
        order.push("released");
        child?.report({ kind: "ready" });
      });
    });
    expect(order).toEqual(["paused 5000", "released"]);
    kernel.init.children[0]?.end();
    for (const fd of [launched.pidfd, ...Object.values(fds.own)]) kernel.sys.close(fd);
  });

  test("whose child is killed at its pause reports that", async () => {
    const kernel = testKernel();
    const fds = openLaunchFds(kernel, { release: true, pipeSize: 0 });
    const kill = async () => kernel.init.children[0]?.end({ code: 137, signal: 9 });
    const launching = launch(kernel, plan(...STDIO, "release"), fds, new Map(), label, undefined, kill);
    await expect(launching).rejects.toThrow("launch: the process was killed before it was ready");
    expect(kernel.init.calls).toEqual([["forget", expect.any(Number)]]);
  });

  test("opens pipes of the requested size for stdio, and small ones for itself", () => {
    const sizes: unknown[] = [];
    const pipe = (options: { readonly sizeBytes?: number } = {}) => {
      sizes.push(options.sizeBytes);
      return sys.pipe();
    };
    const { own, child, report } = openLaunchFds(testKernel({ sys: { pipe } }), { release: true, pipeSize: 4096 });
    expect(sizes).toEqual([undefined, undefined, 4096, 4096, 4096]);
    for (const fd of new Set([...Object.values(own), ...child.values(), report])) sys.close(fd);
  });

  test("that fails to open one of its pipes closes the others", () => {
    let left = 2;
    const pipe = () => {
      if (left-- === 0) throw new Error("EMFILE");
      return sys.pipe();
    };
    expect(() => openLaunchFds(testKernel({ sys: { pipe } }), { release: true, pipeSize: 0 })).toThrow("EMFILE");
  });

  test("that fails to open its pipes closes the given terminal", () => {
    const refuse = () => {
      throw new Error("EMFILE");
    };
    const kernel = testKernel({ sys: { pipe: refuse } });
    const { read, write } = sys.pipe();
    const terminal = { master: read, peer: write };
    expect(() => openLaunchFds(kernel, { terminal, release: true, pipeSize: 0 })).toThrow("EMFILE");
  });
});

describe("the error of a failed launch", () => {
  const failed = (index: number, errno: number, ...ops: PlanOp[]) => {
    const steps = ops.map((op) => ({ op, reason: "process.args" }));
    return launchError({ steps, slots: [] }, { index, errno, text: "" }).message;
  };
  const exec = (name: string) => ({ op: "exec", args: [name], env: ["SECRET=x"] }) as const;

  test("names the executable that was not found, and where it was searched", () => {
    const find = { op: "find", candidates: ["/bin/nope", "/usr/bin/nope"] } as const;
    expect(failed(0, 2, find, exec("nope"))).toBe(
      'exec "nope": executable file not found in $PATH (/bin/nope, /usr/bin/nope)',
    );
  });

  test("says that a path is not executable", () => {
    const find = { op: "find", candidates: ["/etc/passwd"] } as const;
    expect(failed(0, 13, find, exec("/etc/passwd"))).toBe('exec "/etc/passwd": not executable, EACCES');
  });

  test("contains no environment values", () => {
    expect(failed(0, 7, exec("sh"))).toBe("execve sh: E2BIG (argument list too long), from process.args");
  });

  test("contains the kernel's own message for a mount", () => {
    const steps = [{ op: { op: "fsconfig", key: "size", value: "lots" }, reason: "mounts[1]" } as const];
    const error = launchError({ steps, slots: [] }, { index: 0, errno: 22, text: "tmpfs: Bad value for 'size'" });
    expect(error.message).toBe("mount option size=lots: EINVAL (tmpfs: Bad value for 'size'), from mounts[1]");
  });

  test("is one line even for an operation that is not in the plan", () => {
    expect(failed(9, 1)).toBe("launch: EPERM (operation not permitted)");
  });
});
