import { expect, test } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { MAX_PAYLOAD_BYTES } from "../../../proto/stream-frame.ts";
import type { Snapshot } from "./guest-state.ts";
import { watchDelta } from "./watch-delta.ts";

const update = codec("guestd.v1.WatchUpdate", guestd.v1.WatchUpdate);

const snapshot = (parts: Partial<Snapshot> = {}): Snapshot => ({
  micros: 1,
  guest: { fields: { cpus: 2 }, usage: { cpu_micros: 5 } },
  ...{ containers: new Map(), processes: new Map(), forwards: new Map() },
  ...parts,
});
const decoded = (before: Snapshot | undefined, now: Snapshot) =>
  watchDelta(before, now).map((part) => update.decode(part));

test("begins with the whole state, in one part if it is small", () => {
  const containers = new Map([["web", { fields: { state: 2 }, usage: { memory: 10 } }]]);
  const parts = decoded(
    undefined,
    snapshot({ containers, processes: new Map([[7, { container_id: "web", pid: 3 }]]) }),
  );
  expect(parts).toMatchObject([{ whole: true, more: false, micros: 1, guest: { cpus: 2, usage: { cpu_micros: 5 } } }]);
  expect(parts[0]?.containers).toMatchObject([{ id: "web", state: 2, usage: { memory: 10, pids: null } }]);
  expect(parts[0]?.processes).toMatchObject([{ id: 7, container_id: "web", pid: 3, exec_id: null }]);
});

test("sends only the fields that differ, and nothing if none does", () => {
  const usage = { memory: 10, pids: 1 };
  const before = snapshot({ containers: new Map([["web", { fields: { state: 2 }, usage }]]) });
  expect(decoded(before, { ...before, micros: 9 })).toEqual([]);
  const after = { fields: { state: 2 }, usage: { ...usage, pids: 2 } };
  const [part, ...rest] = decoded(before, snapshot({ micros: 9, containers: new Map([["web", after]]) }));
  expect([part?.whole, part?.micros, part?.guest, rest]).toEqual([false, 9, null, []]);
  expect(part?.containers).toMatchObject([{ id: "web", state: null, usage: { memory: null, pids: 2 } }]);
});

test("names what is gone, and keeps the last value of a field that the kernel doesn't report any more", () => {
  const before = snapshot({
    containers: new Map([["web", { fields: {}, usage: {} }]]),
    processes: new Map([
      [7, { memory: 5 }],
      [8, { memory: 5 }],
    ]),
    forwards: new Map([["f", { sent: 1 }]]),
  });
  const [part] = decoded(before, snapshot({ processes: new Map([[8, { memory: undefined }]]) }));
  expect(part).toMatchObject({ removed_containers: ["web"], removed_processes: [7], removed_forwards: ["f"] });
  expect(part?.processes).toEqual([]);
});

test("cuts a large state into parts that are frames, of which all but the last say that more follow", () => {
  const most = Number.MAX_SAFE_INTEGER;
  const counters = { cpu_micros: most, memory: most, threads: most, stdin: most, stdout: most, stdout_acked: most };
  const fields = {
    ...counters,
    stderr: most,
    stderr_acked: most,
    container_id: "c".repeat(200),
    exec_id: "e".repeat(256),
  };
  const processes = new Map(Array.from({ length: 1000 }, (_, id) => [most - id, fields] as const));
  const usage = { ...counters, memory_limit: most, pids: most, read_bytes: most, written_bytes: most, io_full: most };
  const containers = new Map(
    Array.from({ length: 300 }, (_, id) => [`${"c".repeat(196)}${id}`, { fields: {}, usage }]),
  );
  const encoded = watchDelta(undefined, snapshot({ processes, containers }));
  expect(Math.max(...encoded.map(({ length }) => length))).toBeLessThan(MAX_PAYLOAD_BYTES);
  const parts = encoded.map((part) => update.decode(part));
  expect(parts.map(({ whole, more }) => [whole, more])).toEqual(
    parts.map((_, at) => [at === 0, at < parts.length - 1]),
  );
  expect(parts.flatMap((part) => part.processes)).toHaveLength(1000);
  const gone = decoded(snapshot({ processes, containers }), snapshot({ micros: 2 }));
  expect(gone.flatMap((part) => part.removed_processes)).toHaveLength(1000);
  expect(gone.flatMap((part) => part.removed_containers)).toHaveLength(300);
});
