import { afterEach, beforeEach, expect, test } from "vitest";
import { testKernel } from "../container/testing/test-kernel.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { ExitStatus, RestoredProcess, Sys } from "../kernel/kernel.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { restoreContainers } from "./restore.ts";
import type { ContainerRecord } from "./state.ts";

const sys = openSys();
let ids = 0;
let others: number[] = [];

leavesNoDescriptors();
beforeEach(() => {
  others = [];
});
afterEach(() => {
  for (const fd of others) sys.close(fd);
});

const record = (id: string) => ({ id, spec: testSpec(), cgroup: `/sys/fs/cgroup/${id}`, storages: [], oomKills: 0 });
const NOBODY = { mayBeTraced: () => false, settled: async () => {}, refuseTracer: () => undefined };
const KILLED: ExitStatus = { code: 137, signal: 9, userMicros: 0, systemMicros: 0, maxRssKib: 0 };

/** A pipe of which the test holds the other end. */
function kept(): number {
  const { read, write } = sys.pipe();
  others.push(write);
  return read;
}

const restored = (container: string, exec: string, exited?: ExitStatus, command?: string): RestoredProcess => ({
  id: ++ids,
  pid: 1,
  pidfd: kept(),
  exit: exited === undefined ? new Promise(() => {}) : Promise.resolve(exited),
  label: JSON.stringify({ container, exec, command }),
  kept: { stdout: kept(), stderr: kept() },
  exited,
});

function restore(
  records: readonly (string | ContainerRecord)[],
  processes: RestoredProcess[],
  more: Partial<Sys> = {},
) {
  const signalled: number[] = [];
  const signal = (pidfd: number) => void signalled.push(pidfd);
  const kernel = testKernel({ greeting: { processes }, sys: { signal, ...more } });
  const all = records.map((each) => (typeof each === "string" ? record(each) : each));
  const result = restoreContainers(kernel, all, { pipeSize: 0, traceGuardOf: () => NOBODY });
  const destroy = () => {
    for (const { container } of result.restored) for (const process of container.processes) process.destroy();
  };
  return { ...result, calls: [...kernel.init.calls], groups: kernel.signals, signalled, destroy };
}

test("a container gets its init process and its execs back", () => {
  const { restored: found, calls, destroy } = restore(["a"], [restored("a", "x1"), restored("a", "a")]);
  const container = found[0]?.container;
  expect([container?.id, container?.processes.map(({ execId }) => execId), calls]).toEqual(["a", ["a", "x1"], []]);
  destroy();
});

test("a container whose init process ended while no agent ran has its status", () => {
  const { restored: found, destroy } = restore(["a"], [restored("a", "a", KILLED)]);
  expect(found[0]?.container.init.status).toEqual(KILLED);
  destroy();
});

test("a record without an init process is broken, and its remaining execs are killed", () => {
  const exec = restored("a", "x1");
  const { broken, restored: found, signalled, calls } = restore(["a"], [exec]);
  expect([broken.map(({ id }) => id), found]).toEqual([["a"], []]);
  expect([signalled, calls]).toEqual([[exec.pidfd], [["forget", exec.id]]]);
});

test("a process without a record is killed, closed and forgotten", () => {
  const console = restored("", "console-1");
  const { signalled, calls } = restore([], [console]);
  expect([signalled, calls]).toEqual([[console.pidfd], [["forget", console.id]]]);
});

test("an ended process without a record is forgotten without a signal", () => {
  const { signalled, calls } = restore([], [restored("gone", "gone", KILLED)]);
  expect([signalled, calls]).toEqual([[], [["forget", ids]]]);
});

test.each(["", "null", "[]", '{"container":1,"exec":"x"}', '{"container":"a","exec":"x","streams":{"stdout":1}}'])(
  "a process whose label is %j is killed, closed and forgotten, and others come back",
  (label) => {
    const odd = { ...restored("a", "x1"), label };
    const { restored: found, signalled, calls, destroy } = restore(["a"], [odd, restored("a", "a")]);
    expect([found.length, signalled, calls]).toEqual([1, [odd.pidfd], [["forget", odd.id]]]);
    destroy();
  },
);

test("a container whose runtime this version does not know is broken, and the others come back", () => {
  const spec = testSpec({ annotations: { "guestd.runtime": "youki" } });
  const {
    broken,
    restored: found,
    destroy,
  } = restore([{ ...record("a"), spec }, "b"], [restored("a", "a"), restored("b", "b")]);
  expect([broken.map(({ id }) => id), found.map((each) => each.record.id)]).toEqual([["a"], ["b"]]);
  destroy();
});

test.each([
  ["a hook is killed with its process group", "hook", undefined, [[-1, 9]], 1],
  ["another runtime's command is killed alone", "create", undefined, [], 1],
  ["an ended hook gets no signal", "hook", KILLED, [], 0],
] as const)("%s, and its container comes back", (_, command, exited, groups, count) => {
  const run = restored("a", "a", exited, command);
  const all = restore(["a"], [run, restored("a", "a")]);
  expect(all.restored.map(({ container }) => container.processes.length)).toEqual([1]);
  expect([all.groups, all.signalled, all.calls]).toEqual([groups, [run.pidfd].slice(0, count), [["forget", run.id]]]);
  all.destroy();
});

test("a process that has just ended is closed and forgotten, although it can't be signalled", () => {
  const gone = restored("gone", "gone");
  const signal = () => {
    throw new Error("ESRCH");
  };
  expect(restore([], [gone], { signal }).calls).toEqual([["forget", gone.id]]);
});

test("a container whose creation was interrupted is broken, and all of its processes are killed", () => {
  const processes = [restored("a", "a"), restored("a", "x1")];
  const { broken, restored: found, signalled } = restore([{ ...record("a"), creating: true }], processes);
  expect([broken.map(({ id }) => id), found]).toEqual([["a"], []]);
  expect(signalled).toEqual(processes.map(({ pidfd }) => pidfd));
});

test("a shell of the debug console keeps running", () => {
  const shell = restored("", "/dev/console");
  const { signalled, calls } = restore([], [shell]);
  expect([signalled, calls]).toEqual([[], []]);
  for (const fd of [shell.pidfd, ...Object.values(shell.kept)]) if (fd !== undefined) sys.close(fd);
});
