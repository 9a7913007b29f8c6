import { expect, test } from "vitest";
import type { ContainerTraceGuard } from "./runtime/runtime.ts";
import { testSpec } from "./testing/test-spec.ts";
import { TracerState } from "./tracer-state.ts";

const never = new AbortController().signal;
const withCapability = (name: string) => {
  const { capabilities, ...process } = testSpec().process;
  return {
    ...process,
    capabilities: { bounding: [], inheritable: [], ambient: [], permitted: [name], effective: [name] },
  };
};
const TRACER = withCapability("CAP_SYS_PTRACE");
const PLAIN = withCapability("CAP_CHOWN");

/** The state of a container whose first process is this one, in a user namespace of its own if it is asked for. */
function stateOf(
  process = PLAIN,
  { inUser = false, guard }: { inUser?: boolean; guard?: Partial<ContainerTraceGuard> } = {},
) {
  const { linux } = testSpec();
  const namespaces = inUser ? [...linux.namespaces, { type: "user", path: "" }] : linux.namespaces;
  const spec = testSpec({ process, linux: { ...linux, namespaces } });
  const all = { mayBeTraced: () => false, settled: async () => undefined, refuseTracer: () => undefined, ...guard };
  return new TracerState({ id: "c1", spec, cgroup: "/cg", pipeSize: 0, ...(guard && { traceGuard: all }) });
}
const shown = ({ mayTrace, traces, isKnown }: TracerState) => [mayTrace, traces, isKnown];

test.each([
  ["with the capability", TRACER, {}, [true, false, true], [true, true, true]],
  ["without the capability", PLAIN, {}, [false, false, false], [false, false, false]],
  ["in a user namespace", TRACER, { inUser: true }, [false, false, false], [false, false, false]],
])(
  "a container %s may trace from its creation on, and traces from its start on: %#",
  (_, process, parts, created, started) => {
    const state = stateOf(process, parts);
    expect(shown(state)).toEqual(created);
    state.starts();
    expect(shown(state)).toEqual(started);
  },
);

test("an exec with the capability makes its container a tracer for good", () => {
  const state = stateOf();
  expect([state.adds(PLAIN), shown(state)]).toEqual([false, [false, false, false]]);
  expect([state.adds(TRACER), shown(state)]).toEqual([true, [true, true, true]]);
  expect([state.adds(PLAIN), shown(state)]).toEqual([false, [true, true, true]]);
  expect(stateOf(PLAIN, { inUser: true }).adds(TRACER)).toBe(false);
});

test("a restored container may trace, as its execs are unknown, unless it has a user namespace", () => {
  for (const [inUser, may] of [
    [false, true],
    [true, false],
  ] as const) {
    const state = stateOf(PLAIN, { inUser });
    state.assume();
    expect(shown(state)).toEqual([may, may, false]);
  }
});

test("a container can be traced if the pod's guard says so, and never without one", () => {
  expect(stateOf(PLAIN, { guard: { mayBeTraced: () => true } }).isTraceable).toBe(true);
  expect(stateOf(PLAIN, { guard: {} }).isTraceable).toBe(false);
  expect(stateOf().isTraceable).toBe(false);
});

test("only a known tracer asks whether a process waits that it must not trace, after exposed launches have ended", async () => {
  const asked: string[] = [];
  const settled = async () => void asked.push("settled");
  const guard = { settled, refuseTracer: () => void asked.push("refuse") };
  await stateOf(PLAIN, { guard }).settled(never);
  expect(asked.splice(0)).toEqual(["settled"]);
  await stateOf(TRACER, { guard }).settled(never);
  expect(asked.splice(0)).toEqual(["settled", "refuse"]);
  await stateOf(TRACER).settled(never);
  expect(asked).toEqual([]);
});

test("a caller that gives up no longer waits for exposed launches", async () => {
  const guard = { settled: () => new Promise<never>(() => undefined) };
  const gone = AbortSignal.abort(new Error("deadline"));
  await expect(stateOf(TRACER, { guard }).settled(gone)).rejects.toThrow("deadline");
});
