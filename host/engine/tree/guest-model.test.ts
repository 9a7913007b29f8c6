import { expect, test } from "vitest";
import { codec, type Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { GuestModel } from "./guest-model.ts";

const update = codec("guestd.v1.WatchUpdate", guestd.v1.WatchUpdate);
const received = (message: Init<guestd.v1.WatchUpdate>) => update.decode(update.encode(message));

function modelOf(...messages: Init<guestd.v1.WatchUpdate>[]): GuestModel {
  const model = new GuestModel();
  for (const message of messages) model.apply(received(message));
  return model;
}
const SECOND = 1_000_000;

test("rates are those between the last two updates, and unknown after the first one", () => {
  const first = {
    whole: true,
    micros: SECOND,
    guest: { cpus: 2, generation: 3, usage: { cpu_micros: 5, memory: 100 } },
  };
  const model = modelOf(first);
  expect(model.guestUsage()).toEqual({ memory: 100, pressure: {} });
  model.apply(received({ micros: 3 * SECOND, guest: { usage: { cpu_micros: 5 + SECOND } } }));
  expect(model.guestUsage()).toEqual({ cpu: 0.5, memory: 100, pressure: {} });
  expect([model.cpus, model.generation]).toEqual([2, 3]);
  model.apply(received({ micros: 4 * SECOND }));
  expect(model.guestUsage().cpu).toBe(0);
});

test("fields that an update leaves out keep their values, and what is removed is gone", () => {
  const model = modelOf(
    {
      whole: true,
      micros: 1,
      containers: [
        { id: "web", state: 2, usage: { memory: 7 } },
        { id: "db", state: 1 },
      ],
      processes: [{ id: 4, container_id: "web", exec_id: "x", pid: 9, state: 2, memory: 5 }],
      forwards: [{ id: "f", sent: 1, received: 2 }],
    },
    { micros: 2, containers: [{ id: "web", state: 3 }], processes: [{ id: 4, memory: 6 }], removed_containers: ["db"] },
  );
  expect(model.containers()).toEqual([{ id: "web", state: "paused", counters: { memory: 7 } }]);
  expect(model.processes()).toEqual([{ id: 4, container: "web", exec: "x", pid: 9, state: "running", memory: 6 }]);
  model.apply(received({ micros: 3, removed_processes: [4], removed_forwards: ["f"] }));
  expect([model.processes(), model.forwards()]).toEqual([[], []]);
});

test("a whole state replaces everything, and its parts count once the last one is there", () => {
  const model = modelOf(
    { whole: true, micros: SECOND, containers: [{ id: "old", usage: { cpu_micros: 1 } }] },
    { whole: true, more: true, micros: 2 * SECOND, containers: [{ id: "new", usage: { cpu_micros: 1 } }] },
  );
  expect(model.containers().map(({ id }) => id)).toEqual(["old"]);
  model.apply(received({ micros: 2 * SECOND, containers: [{ id: "newer" }] }));
  expect(model.containers().map(({ id }) => id)).toEqual(["new", "newer"]);
  expect(model.guestUsage()).toEqual({ pressure: {} });
});

test("the rate of a counter that began again is unknown, and pressure is a share of at most 1", () => {
  const usage = (counters: object, micros: number) => ({ micros, guest: { usage: counters } });
  const model = modelOf(
    { whole: true, ...usage({ sent_bytes: 100, memory_some: 0, io_some: 0 }, SECOND) },
    usage({ sent_bytes: 50, memory_some: SECOND / 4, io_some: 2 * SECOND }, 2 * SECOND),
  );
  expect(model.guestUsage()).toEqual({ pressure: { memory: 0.25, io: 1 } });
});

test("an agent that sends entries without end fills no memory", () => {
  const model = new GuestModel();
  for (let part = 0; part < 20; part++) {
    const ids = Array.from({ length: 1000 }, (_, at) => part * 1000 + at);
    const containers = ids.map((id) => ({ id: `c${id}` }));
    const forwards = ids.map((id) => ({ id: `f${id}` }));
    model.apply(received({ micros: 1, more: part < 19, containers, forwards, processes: ids.map((id) => ({ id })) }));
  }
  expect([model.containers().length, model.processes().length, model.forwards().length]).toEqual([1024, 4096, 256]);
});

test("a guest has its share of the entries of all guests, also once it is smaller", () => {
  let share = 100;
  const model = new GuestModel(() => share);
  const ids = Array.from({ length: 80 }, (_, at) => at + 1);
  const all = { containers: ids.map((id) => ({ id: `c${id}` })), processes: ids.map((id) => ({ id })) };
  model.apply(received({ whole: true, micros: 1, ...all }));
  const counts = () => [model.containers().length, model.processes().length];
  expect(counts()).toEqual([80, 20]);
  model.apply(received({ more: true, micros: 2, removed_processes: ids, ...all }));
  share = 50;
  model.trim();
  expect(counts()).toEqual([50, 0]);
  model.apply(received({ micros: 2, forwards: [{ id: "f" }] }));
  expect([...counts(), model.forwards().length]).toEqual([50, 0, 0]);
});

test("streams have throughput and unacknowledged bytes, only if a client ever attached", () => {
  const processes = [
    { id: 1, clients: 1, stdin: 0, stdout: 10, stdout_acked: 4, stderr: 3, stderr_acked: 3 },
    { id: 2, pid: 5 },
  ];
  const model = modelOf({ whole: true, micros: SECOND, processes });
  model.apply(received({ micros: 2 * SECOND, processes: [{ id: 1, stdin: 8, stdout: 30 }] }));
  const [attached, other] = model.processes();
  expect(attached && model.streamUsage(attached)).toEqual({ input: 8, output: 20, unacknowledged: 26 });
  expect(other && model.streamUsage(other)).toEqual({});
});

test("parts without end cost what they hold, not what the guest has", () => {
  const many = <T>(count: number, item: (at: number) => T) => Array.from({ length: count }, (_, at) => item(at + 1));
  const part = received({ more: true });
  const model = modelOf({
    ...{ whole: true, micros: 1, more: true },
    containers: many(1024, (at) => ({ id: `c${at}` })),
    processes: many(4096, (id) => ({ id, container_id: "c1" })),
  });
  for (let at = 0; at < 200_000; at++) model.apply(part);
  model.apply(received({ micros: 2 }));
  expect([model.containers().length, model.processes().length]).toEqual([1024, 4096]);
});
