import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { testSpec } from "../container/testing/test-spec.ts";
import { type Guarded, mayBeTraced, type Traceable, TraceGuard } from "./trace-guard.ts";

const OWN = "/proc/self/ns/pid";
const { ino } = statSync(OWN);
const never = new AbortController().signal;

/** A guard of these containers, and what happens in their order. */
function guardOf(...containers: (Partial<Guarded> & { readonly id: string })[]) {
  const events: string[] = [];
  const all = containers.map((its) => ({
    ...{ cgroup: `/sys/fs/cgroup/${its.id}`, traces: true, pidNamespace: ino, exposed: [] },
    ...{ isKnownTracer: false, waitsPrivileged: false },
    freezer: {
      hold: async () => {
        events.push(`hold ${its.id}`);
        return async () => void events.push(`let ${its.id} go`);
      },
    },
    ...its,
  }));
  return {
    events,
    guard: new TraceGuard(
      () => all,
      () => {},
    ),
  };
}

function record(path = OWN, cgroup = "/sys/fs/cgroup/new", annotations = {}) {
  const spec = { ...testSpec(), annotations };
  return { id: "new", cgroup, spec: { ...spec, linux: { ...spec.linux, namespaces: [{ type: "pid", path }] } } };
}

test("containers that may trace in the pid namespace are frozen during a creation, even one that fails", async () => {
  const { guard, events } = guardOf(
    { id: "tracer" },
    { id: "plain", traces: false },
    { id: "elsewhere", pidNamespace: ino + 1 },
    { id: "unknown", pidNamespace: undefined },
  );
  const held = ["hold tracer", "hold unknown"];
  await guard.create(record(), async () => void events.push("create"), never);
  expect(events.splice(0)).toEqual([...held, "create", "let tracer go", "let unknown go"]);
  const failing = guard.create(record(), () => Promise.reject(new Error("no")), never);
  await expect(failing).rejects.toThrow("no");
  expect(events).toEqual([...held, "let tracer go", "let unknown go"]);
});

test("a container with its own pid namespace freezes no other", async () => {
  const { guard, events } = guardOf({ id: "tracer" });
  expect(await guard.create(record(""), async () => "made", never)).toBe("made");
  expect(events).toEqual([]);
});

test("a tracer that can't be frozen fails the creation, whose error names it", async () => {
  const hold = () => Promise.reject(new Error("the kernel did not finish within 10000 ms"));
  const stuck = guardOf({ id: "first" }, { id: "stuck", freezer: { hold } });
  await expect(stuck.guard.create(record(), async () => "made", never)).rejects.toMatchObject({
    kind: "internal",
    message:
      "create container new: container stuck may trace it in their pid namespace, and does not stand still: the kernel did not finish within 10000 ms",
    cause: { message: "the kernel did not finish within 10000 ms" },
  });
  expect(stuck.events).toEqual(["hold first", "let first go"]);
  const around = guardOf({ id: "around" });
  const below = around.guard.create(record(OWN, "/sys/fs/cgroup/around/new"), async () => "made", never);
  await expect(below).rejects.toMatchObject({
    kind: "internal",
    message:
      "create container new: container around may trace it in their pid namespace, and has its cgroup below its own; give it another cgroupsPath",
  });
  const beside = around.guard.create(record(OWN, "/sys/fs/cgroup/around2"), async () => "made", never);
  expect(await beside).toBe("made");
});

test("the next agent is told which containers are frozen, until they are thawed", async () => {
  const noted: unknown[] = [];
  const hold = async (note: (held: boolean) => void) => {
    note(true);
    return async () => note(false);
  };
  const tracer = { id: "tracer", cgroup: "/cg", traces: true, pidNamespace: ino, exposed: new Set<Promise<unknown>>() };
  const all = [{ ...tracer, isKnownTracer: false, waitsPrivileged: false, freezer: { hold } }];
  const guard = new TraceGuard(
    () => all,
    (id, held) => noted.push([id, held]),
  );
  await guard.create(record(), async () => noted.push("create"), never);
  expect(noted).toEqual([["tracer", true], "create", ["tracer", false]]);
});

test("a container that begins to trace waits for earlier creations and execs", async () => {
  const exec = Promise.withResolvers<void>();
  const creation = Promise.withResolvers<void>();
  const { guard } = guardOf({ id: "plain", traces: false, exposed: [exec.promise] });
  const creating = guard.create(record(), () => creation.promise, never);
  let settled = false;
  const waiting = guard.settled().then(() => (settled = true));
  exec.resolve();
  await new Promise(setImmediate);
  expect(settled).toBe(false);
  creation.resolve();
  await Promise.all([creating, waiting]);
});

test("a creation succeeds even if a frozen container can't be thawed", async () => {
  const hold = async () => async () => Promise.reject(new Error("ENOSPC"));
  const { guard } = guardOf({ id: "tracer", freezer: { hold } });
  expect(await guard.create(record(), async () => "made", never)).toBe("made");
});

test("a creation that does not end is cancelled, and the frozen container is thawed", async () => {
  const { guard, events } = guardOf({ id: "tracer" });
  const stopped = (signal?: AbortSignal) =>
    new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  await expect(guard.create(record(), stopped, AbortSignal.timeout(50))).rejects.toThrow("timeout");
  expect(events).toEqual(["hold tracer", "let tracer go"]);
});

test("a creation that freezes no container has only its caller's time limit", async () => {
  const { guard } = guardOf();
  expect(await guard.create(record(), async (signal) => signal, AbortSignal.timeout(50))).toBeUndefined();
});

test("runc creates no container beside a known tracer, as its process waits with all privileges", async () => {
  const byRunc = record(OWN, "/sys/fs/cgroup/new", { "guestd.runtime": "runc" });
  const { guard, events } = guardOf({ id: "tracer", isKnownTracer: true });
  await expect(guard.create(byRunc, async () => "made", never)).rejects.toMatchObject({
    kind: "internal",
    message:
      "create container new: container tracer may trace it in their pid namespace, and its runtime keeps privileges until it is started: use crun or no other runtime",
  });
  expect(events).toEqual([]);
  const byCrun = record(OWN, "/sys/fs/cgroup/new", { "guestd.runtime": "crun" });
  expect(await guard.create(byCrun, async () => "made", never)).toBe("made");
  // After a restart any container may trace: those are frozen, as far as that helps.
  expect(await guardOf({ id: "restored" }).guard.create(byRunc, async () => "made", never)).toBe("made");
});

test("no container begins to trace while a process of its pid namespace waits with all privileges", () => {
  const { guard } = guardOf(
    { id: "tracer" },
    { id: "waiting", waitsPrivileged: true },
    { id: "elsewhere", pidNamespace: ino + 1 },
  );
  expect(() => guard.refuseTracer("tracer")).toThrow("container tracer may trace container waiting in their pid");
  expect(() => guard.refuseTracer("elsewhere")).not.toThrow();
});

test("a creation that is cancelled while a container is being frozen fails with the caller's reason", async () => {
  const patience = new AbortController();
  const hold = async () => {
    patience.abort(new Error("deadline"));
    throw patience.signal.reason;
  };
  const { guard } = guardOf({ id: "tracer", freezer: { hold } });
  await expect(guard.create(record(), async () => "made", patience.signal)).rejects.toBe(patience.signal.reason);
});

test("a creation in a pid namespace that doesn't exist freezes no container", async () => {
  const { guard, events } = guardOf({ id: "tracer" });
  expect(await guard.create(record("/proc/self/ns/none"), async (signal) => signal, never)).toBeUndefined();
  expect(events).toEqual([]);
});

test("an error about a tracer and a waiting container names both, and the remedy", () => {
  const { guard } = guardOf({ id: "tracer" }, { id: "waiting", waitsPrivileged: true });
  expect(() => guard.refuseTracer("tracer")).toThrow(
    expect.objectContaining({
      kind: "internal",
      message:
        "container tracer may trace container waiting in their pid namespace, whose runtime keeps privileges until it is started: start that first",
    }),
  );
});

const traceable = (mayTrace: boolean, pidNamespace?: number): Traceable => ({ mayTrace, pidNamespace });

test.each([
  ["itself", true, [traceable(true, 1)]],
  ["nobody", false, [traceable(false, 1)]],
  ["another in its pid namespace", true, [traceable(false, 1), traceable(true, 1)]],
  ["nobody of another pid namespace", false, [traceable(false, 1), traceable(true, 2)]],
  ["one that may be anywhere", true, [traceable(false, 1), traceable(true)]],
])("a process is traced by %s: %j", (_who, expected, all) => {
  expect(mayBeTraced(all[0] ?? traceable(false), all)).toBe(expected);
});
