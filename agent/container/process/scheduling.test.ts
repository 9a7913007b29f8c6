import { describe, expect, it } from "vitest";
import { PlanBuilder } from "../plan/plan-builder.ts";
import type { ProcessSpec, SchedulerSpec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { parseCpuList } from "./cpu-list.ts";
import { checkScheduling, compileExecAffinity, compileScheduling, compileSchedulingAfterFork } from "./scheduling.ts";

const other = { policy: "SCHED_OTHER", nice: 0, priority: 0, flags: [], runtime: 0, deadline: 0, period: 0 };
const process = testSpec().process;

function steps(parts: Partial<ProcessSpec>) {
  const plan = new PlanBuilder();
  compileScheduling(plan, { ...process, ...parts });
  compileExecAffinity(plan, { ...process, ...parts });
  return plan.finish().steps;
}

describe("scheduling", () => {
  it("adds no step if it is not requested", () => {
    expect(steps({})).toEqual([]);
    expect(steps({ execCPUAffinity: { initial: "", final: "" } })).toEqual([]);
  });

  it.each<[Partial<SchedulerSpec>, object]>([
    [{ nice: 5 }, { policy: 0, nice: 5 }],
    [
      { policy: "SCHED_BATCH", nice: -20 },
      { policy: 3, nice: -20 },
    ],
    [{ policy: "SCHED_IDLE" }, { policy: 5 }],
    [
      { policy: "SCHED_FIFO", priority: 10 },
      { policy: 1, priority: 10 },
    ],
    [
      { policy: "SCHED_RR", priority: 1, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
      { policy: 2, priority: 1, flags: 1 },
    ],
    [
      { policy: "SCHED_DEADLINE", runtime: 1, deadline: 2, period: 3, flags: ["SCHED_FLAG_RECLAIM"] },
      { policy: 6, runtime: 1, deadline: 2, period: 3, flags: 2 },
    ],
  ])("adds one call for %j", (given, expected) => {
    const [step, ...rest] = steps({ scheduler: { ...other, ...given } });
    expect(step).toMatchObject({ reason: "process.scheduler", op: { op: "scheduler", attributes: expected } });
    expect(rest).toEqual([]);
  });

  it.each([
    ["SCHED_FLAG_RESET_ON_FORK", 0x01],
    ["SCHED_FLAG_RECLAIM", 0x02],
    ["SCHED_FLAG_DL_OVERRUN", 0x04],
    ["SCHED_FLAG_KEEP_POLICY", 0x08],
    ["SCHED_FLAG_KEEP_PARAMS", 0x10],
    ["SCHED_FLAG_UTIL_CLAMP_MIN", 0x20],
    ["SCHED_FLAG_UTIL_CLAMP_MAX", 0x40],
  ])("gives the kernel's number for %s", (flag, flags) => {
    const [step] = steps({ scheduler: { ...other, flags: [flag] } });
    expect(step?.op).toMatchObject({ attributes: { flags } });
  });

  it.each<[Partial<SchedulerSpec>, boolean]>([
    [{}, false],
    [{ flags: ["SCHED_FLAG_KEEP_POLICY"] }, false],
    [{ flags: ["SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_RESET_ON_FORK"] }, true],
    [{ policy: "SCHED_DEADLINE", runtime: 1 }, true],
  ])("that a child does not inherit, in %j, is set after the fork: %s", (given, isAfter) => {
    const scheduler = { ...other, ...given };
    const ioPriority = { class: "IOPRIO_CLASS_RT", priority: 0 };
    const [before, after] = [new PlanBuilder(), new PlanBuilder()];
    compileScheduling(before, { ...process, scheduler, ioPriority }, true);
    compileSchedulingAfterFork(after, { ...process, scheduler, ioPriority });
    const names = [before, after].map((plan) => plan.finish().steps.map(({ reason }) => reason));
    const [set, io] = ["process.scheduler", "process.ioPriority"];
    expect(names).toEqual(isAfter ? [[io], [set]] : [[set, io], []]);
  });

  it("has nothing to set after a fork if it is not requested", () => {
    const plan = new PlanBuilder();
    compileSchedulingAfterFork(plan, process);
    expect(plan.finish().steps).toEqual([]);
  });

  it.each<[Partial<SchedulerSpec>, string]>([
    [{ policy: "SCHED_ISO" }, 'policy "SCHED_ISO" is not supported by Linux'],
    [{ nice: -21 }, "nice -21 is outside -20..19"],
    [{ nice: 20 }, "nice 20 is outside -20..19"],
    [{ deadline: 1 }, "deadline 1 is for SCHED_DEADLINE, not SCHED_OTHER"],
    [{ policy: "SCHED_RR", priority: 1, period: 1 }, "period 1 is for SCHED_DEADLINE, not SCHED_RR"],
    [{ policy: "SCHED_BATCH", priority: 1 }, "priority 1 is for SCHED_FIFO and SCHED_RR, not SCHED_BATCH"],
    [{ runtime: 1 }, "runtime 1 is for SCHED_DEADLINE, not SCHED_OTHER"],
    [{ policy: "SCHED_DEADLINE", period: 2 ** 53 }, `period ${2 ** 53} is more than 2^53 ns`],
    [{ flags: ["SCHED_FLAG_X"] }, 'flags "SCHED_FLAG_X" is not supported by Linux'],
  ])("refuses %j with its reason", (given, why) => {
    const check = () => checkScheduling({ ...process, scheduler: { ...other, ...given } });
    expect(check).toThrow(expect.objectContaining({ message: `OCI spec: process.scheduler.${why}` }));
  });

  it("accepts the limits of each field", () => {
    const edges = [{ nice: -20 }, { nice: 19 }, { policy: "SCHED_DEADLINE", runtime: 2 ** 53 - 1 }];
    for (const edge of edges) {
      expect(() => checkScheduling({ ...process, scheduler: { ...other, ...edge } })).not.toThrow();
    }
    for (const priority of [0, 7]) {
      const ioPriority = { class: "IOPRIO_CLASS_RT", priority };
      expect(() => checkScheduling({ ...process, ioPriority })).not.toThrow();
    }
    const ioPriority = { class: "IOPRIO_CLASS_RT", priority: -1 };
    expect(() => checkScheduling({ ...process, ioPriority })).toThrow("priority -1 is outside 0..7");
    const affinity = { initial: "x", final: "" };
    expect(() => checkScheduling({ ...process, execCPUAffinity: affinity })).toThrow(
      'OCI spec: process.execCPUAffinity.initial "x" is not a list of processors',
    );
  });

  it.each<[string, Partial<SchedulerSpec>]>([
    ["policy", { policy: "SCHED_ISO" }],
    ["policy", { policy: "" }],
    ["nice", { nice: 20 }],
    ["priority", { priority: 1 }],
    ["flags", { flags: ["SCHED_FLAG_X"] }],
    ["runtime", { runtime: 1 }],
    ["period", { policy: "SCHED_FIFO", priority: 1, period: 5 }],
    ["deadline", { policy: "SCHED_DEADLINE", deadline: 2 ** 63 }],
  ])("refuses a wrong %s, in %j, by name", (name, given) => {
    const check = () => checkScheduling({ ...process, scheduler: { ...other, ...given } });
    expect(check).toThrow(`OCI spec: process.scheduler.${name} `);
  });

  it("sets an I/O priority from a class and a level", () => {
    const [step] = steps({ ioPriority: { class: "IOPRIO_CLASS_BE", priority: 6 } });
    expect(step).toEqual({ reason: "process.ioPriority", op: { op: "io-priority", value: 0x4006 } });
    const valueFor = (name: string) => steps({ ioPriority: { class: name, priority: 0 } })[0]?.op;
    expect(["RT", "IDLE"].map((name) => valueFor(`IOPRIO_CLASS_${name}`))).toMatchObject([
      { value: 0x2000 },
      { value: 0x6000 },
    ]);
    const check = (name: string, priority: number) => () =>
      checkScheduling({ ...process, ioPriority: { class: name, priority } });
    expect(check("IOPRIO_CLASS_NONE", 1)).toThrow(
      'OCI spec: process.ioPriority.class "IOPRIO_CLASS_NONE" is not supported by Linux',
    );
    expect(check("IOPRIO_CLASS_RT", 8)).toThrow("OCI spec: process.ioPriority.priority 8 is outside 0..7");
  });

  it("sets an exec's final processors, otherwise its initial ones", () => {
    const [both] = steps({ execCPUAffinity: { initial: "0", final: "1,3-4" } });
    expect(both).toEqual({
      reason: "process.execCPUAffinity.final",
      op: { op: "cpu-affinity", cpus: [1, 3, 4] },
    });
    expect(steps({ execCPUAffinity: { initial: "2", final: "" } })).toEqual([
      { reason: "process.execCPUAffinity.initial", op: { op: "cpu-affinity", cpus: [2] } },
    ]);
    const wrong = { execCPUAffinity: { initial: "", final: "a" } };
    for (const refuse of [() => checkScheduling({ ...process, ...wrong }), () => steps(wrong)]) {
      expect(refuse).toThrow('OCI spec: process.execCPUAffinity.final "a" is not a list of processors');
    }
  });
});

it.each([
  ["", []],
  ["0", [0]],
  ["3, 1-2,2", [1, 2, 3]],
  ["8191", [8191]],
  ["8192", undefined],
  ["2-1", undefined],
  ["1-", undefined],
  ["-1", undefined],
  ["0x1", undefined],
])("the processor list %j is parsed as %j", (text, expected) => {
  expect(parseCpuList(text)).toEqual(expected);
});
