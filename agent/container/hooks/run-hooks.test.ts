import { closeSync, openSync, readFileSync, readlinkSync, realpathSync, writeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import type { ChildDouble } from "../../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { testSpec } from "../testing/test-spec.ts";
import type { HookSpec } from "./hooks.ts";
import { type HookFailure, hookFailures, runCreateHooks, runHooks, runHooksIgnoringFailures } from "./run-hooks.ts";

leavesNoDescriptors();
const hook = (path: string, timeout = 10): HookSpec => ({ path, args: [], env: [], timeout });
const target = (hooks: object) => ({ id: "c1", spec: testSpec({ hooks }), cgroup: "/", pid: 1 });

/** Descriptor in the slot of this name. */
const slot = (child: ChildDouble, name: "stdin" | "stderr") => child.slots[name === "stdin" ? 1 : 3] ?? -1;
const path = (child: ChildDouble) => child.request.plan.flatMap((op) => (op.op === "find" ? op.candidates : []))[0];

/** A kernel whose children execute, write `says` to stderr and end as the test decides. */
function kernelWith(end: (child: ChildDouble) => { code?: number; signal?: number; says?: string } | undefined) {
  return testKernel({
    play: (child) => {
      child.executed();
      const how = end(child);
      if (how === undefined) return;
      if (how.says !== undefined) writeSync(slot(child, "stderr"), how.says);
      child.end({ code: how.code ?? 0, signal: how.signal ?? 0 });
    },
  });
}

describe("hooks of a create", () => {
  test("run in the order prestart, createRuntime, createContainer, each with the state on stdin", async () => {
    const seen: string[] = [];
    const kernel = kernelWith((child) => {
      // Opened again, because a copy of the descriptor would share its offset.
      const fd = openSync(`/proc/self/fd/${slot(child, "stdin")}`, "r");
      seen.push(`${path(child)} ${(JSON.parse(readFileSync(fd, "utf8")) as { id: string }).id}`);
      closeSync(fd);
      return {};
    });
    const hooks = { createRuntime: [hook("/b"), hook("/c")], prestart: [hook("/a")], poststop: [hook("/never")] };
    await runCreateHooks(kernel, target(hooks));
    expect(seen).toEqual(["/a c1", "/b c1", "/c c1"]);
    expect(kernel.init.calls.map(([name]) => name)).toEqual(["forget", "forget", "forget"]);
  });

  test.each([
    [{ code: 3, says: "\n\n first \nsecond" }, "exit status 3: first"],
    [{ signal: 11, code: 139 }, "killed by signal 11"],
    [{ code: 1 }, "exit status 1"],
  ])("that end as %j fail it with one line, and no other hook runs", async (how, why) => {
    const kernel = kernelWith(() => how);
    await expect(runCreateHooks(kernel, target({ prestart: [hook("/a"), hook("/b")] }))).rejects.toThrow(
      `hook prestart[0] /a: ${why}`,
    );
    expect(kernel.init.children).toHaveLength(1);
  });

  test("whose program is missing report that", async () => {
    const kernel = testKernel({ play: (child) => child.report({ kind: "failed", index: 4, errno: 2, text: "" }) });
    await expect(runHooks(kernel, "poststart", target({ poststart: [hook("/a")] }))).rejects.toThrow(
      "hook poststart[0] /a: executable file not found",
    );
  });

  test.each([
    [{ index: 4, errno: 13 }, "not executable, EACCES"],
    [
      { index: 3, errno: 2 },
      "chdir /run/kata-containers/c1: ENOENT (no such file or directory), from hooks.poststart[0]",
    ],
  ])("that can't start (%j) report the reason", async (failure, why) => {
    const kernel = testKernel({ play: (child) => child.report({ kind: "failed", ...failure, text: "" }) });
    await expect(runHooks(kernel, "poststart", target({ poststart: [hook("/a")] }))).rejects.toMatchObject({
      message: `hook poststart[0] /a: ${why}`,
      kind: "internal",
    });
  });

  test("that init refuses to fork report that", async () => {
    const kernel = testKernel();
    kernel.init.refuse(new SystemError("clone3", 11, ""));
    await expect(runCreateHooks(kernel, target({ prestart: [hook("/a")] }))).rejects.toThrow(
      /^hook prestart\[0\] \/a: clone3.*EAGAIN/,
    );
  });

  test("for which no pipe can be opened leave no descriptor", async () => {
    const { pipe } = testKernel().sys;
    for (const most of [0, 1]) {
      let opened = 0;
      const few = () => {
        if (opened++ === most) throw new Error("EMFILE");
        return pipe();
      };
      const running = runCreateHooks(testKernel({ sys: { pipe: few } }), target({ prestart: [hook("/a")] }));
      await expect(running).rejects.toThrow("hook prestart[0] /a: EMFILE");
    }
  });

  test("never block on their output, of which the beginning of the first line is reported", async () => {
    const ending: Promise<void>[] = [];
    const kernel = testKernel({
      play: (child) => {
        child.executed();
        ending.push(write(child));
      },
    });
    async function write(child: ChildDouble) {
      const stderr = slot(child, "stderr");
      kernel.sys.setNonBlocking(stderr);
      for (let left = 300_000; left > 0; ) {
        const written = kernel.sys.write(stderr, Buffer.alloc(Math.min(left, 60_000), "x"));
        if (written > 0) left -= written;
        else await new Promise(setImmediate);
      }
      child.end({ code: 1 });
    }
    const running = runCreateHooks(kernel, target({ prestart: [hook("/a")] }));
    await expect(running).rejects.toThrow(/exit status 1: x{512}$/);
    await Promise.all(ending);
  });

  test("are no processes of their container: their label says so", async () => {
    const kernel = kernelWith(() => ({}));
    await runCreateHooks(kernel, target({ prestart: [hook("/a")] }));
    expect(JSON.parse(kernel.init.children[0]?.request.label ?? "")).toEqual({
      ...{ container: "c1", exec: "c1", command: "hook" },
    });
    expect(kernel.init.children[0]?.request.cgroupSlot).toBeUndefined();
  });

  test("in the container are born in its cgroup", async () => {
    const seen: unknown[] = [];
    const kernel = kernelWith(({ slots, request }) => {
      seen.push(readlinkSync(`/proc/self/fd/${slots[request.cgroupSlot ?? -1]}`));
      return {};
    });
    const pidfd = openSync("/dev/null", "r");
    await runCreateHooks(kernel, { ...target({ createContainer: [hook("/a")] }), cgroup: "/tmp", pidfd });
    closeSync(pidfd);
    expect(seen).toEqual([realpathSync("/tmp")]);
  });

  test("that time out are killed with their process group", async () => {
    const kernel = kernelWith(() => undefined);
    const running = runHooks(kernel, "prestart", target({ prestart: [hook("/a", 0.05)] }));
    await expect(running).rejects.toThrow("hook prestart[0] /a: timed out after 0.05 s, killed");
    expect(kernel.signals).toEqual([[-5000, 9]]);
  });

  test("whose container ends are killed, and report that reason", async () => {
    const kernel = kernelWith(() => undefined);
    const container = new AbortController();
    const hooked = { ...target({ startContainer: [hook("/a")] }), pidfd: 9, ended: container.signal };
    const running = runHooks(kernel, "startContainer", hooked);
    setTimeout(() => container.abort(), 20);
    await expect(running).rejects.toThrow("hook startContainer[0] /a: killed because its container has ended");
    expect(kernel.signals).toEqual([[-5000, 9]]);
  });

  test("whose caller cancels while they start never run", async () => {
    const played: ChildDouble[] = [];
    const kernel = testKernel({ play: (child) => void played.push(child) });
    const cancelling = new AbortController();
    const running = runHooks(kernel, "prestart", target({ prestart: [hook("/a")] }), cancelling.signal);
    cancelling.abort(new Error("gone"));
    await expect(running).rejects.toThrow("gone");
    expect([played, kernel.signals]).toEqual([[], [[5000, 9]]]);
  });

  test("whose caller cancels are killed, and reject with the caller's reason", async () => {
    const kernel = kernelWith(() => undefined);
    const caller = new AbortController();
    const running = runHooks(kernel, "prestart", target({ prestart: [hook("/a")] }), caller.signal);
    setTimeout(() => caller.abort(new Error("deadline")), 20);
    await expect(running).rejects.toThrow("deadline");
    expect(kernel.signals).toEqual([[-5000, 9]]);
  });
});

test("hooks whose failure is only reported all run, and each failure is reported", async () => {
  const told: HookFailure[] = [];
  const listen = (message: unknown) => void told.push(message as HookFailure);
  hookFailures.subscribe(listen);
  const kernel = kernelWith((child) => ({ code: path(child) === "/bad" ? 2 : 0 }));
  await runHooksIgnoringFailures(kernel, "poststop", target({ poststop: [hook("/bad"), hook("/good")] }));
  hookFailures.unsubscribe(listen);
  expect(told).toEqual([{ container: "c1", error: "hook poststop[0] /bad: exit status 2" }]);
  expect(kernel.init.children).toHaveLength(2);
});

test("a container without hooks launches and opens nothing for them", async () => {
  const kernel = kernelWith(() => ({}));
  await runCreateHooks(kernel, { ...target({}), spec: testSpec() });
  await runHooks(kernel, "startContainer", { ...target({}), spec: testSpec() });
  expect(kernel.init.children).toHaveLength(0);
});
