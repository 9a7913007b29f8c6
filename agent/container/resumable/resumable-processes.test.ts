import { describe, expect, test, vi } from "vitest";
import { createLedgerMemory, MAX_LEDGER_ENTRIES, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { MAX_SPOOL_BYTES } from "./output-request.ts";
import { closedPlayers } from "./testing/closed-players.ts";

leavesNoDescriptors();
const sys = openSys();
const never = new AbortController().signal;
const RING = { kind: "ring", keepBytes: 16_384 } as const;
const keyOf = (text: string) => Buffer.alloc(32, text);
const { agent, closing, play } = closedPlayers();

const owner = () => ({ client: "c", replaced: vi.fn(), removed: vi.fn(), probe: vi.fn() });
const pipeOf = (id: number) => `streams:${id}:0`;

test("a process is found until its end is acknowledged, which also counts as waited for", () => {
  const { processes, ledger } = agent();
  const { process } = play();
  const place = processes.prepare(keyOf("a"));
  expect([ledger.places, ledger.process(place)]).toEqual([[place], undefined]);
  const attached = processes.add(place, { container: "c", process });
  expect([processes.find(process), ledger.process(place)]).toEqual([attached, process.launchId]);
  expect(Buffer.from(processes.keyOf(attached))).toEqual(keyOf("a"));
  expect(attached.isReleased).toBe(false);
  processes.release(attached);
  expect([processes.find(process), process.waited, ledger.places]).toEqual([undefined, true, []]);
  expect(attached.outputs.map(({ end }) => end)).toEqual([0, 0]);
  processes.release(attached); // idempotent
});

test("init keeps the pipe of a terminal until the process is released or removed", () => {
  const { add, calls, processes } = agent();
  const [one, two] = [play({ terminal: true }), play({ terminal: true })];
  const attached = add(one);
  add(two);
  const names = [pipeOf(one.process.launchId), pipeOf(two.process.launchId)];
  expect(calls("deposit")).toEqual(["streams:mover", ...names]);
  processes.release(attached);
  expect(calls("withdraw")).toEqual(names.slice(0, 1));
  two.process.destroy();
  expect(calls("withdraw")).toEqual(names);
});

test("the places of a start that fails, and of a process that is removed, are free again", () => {
  const { processes, ledger, add } = agent();
  processes.cancel(processes.prepare());
  expect(ledger.places).toEqual([]);
  const { process } = play();
  const attached = add({ process } as Parameters<typeof add>[0]);
  const [client, observer] = [owner(), { client: "o", removed: vi.fn() }];
  attached.owner = client;
  attached.observe(observer);
  process.destroy();
  expect([processes.find(process), ledger.places]).toEqual([undefined, []]);
  expect([client.removed.mock.calls.length > 0, observer.removed.mock.calls.length > 0]).toEqual([true, true]);
});

test("a process whose output calls read can't be attached to, and its place is free again", async () => {
  const { processes, ledger } = agent();
  const { process, print } = play();
  print("stdout", "a");
  await process.output("stdout").read(1, never);
  const adding = () => processes.add(processes.prepare(), { container: "c", process });
  expect(adding).toThrow("attach: a call reads the output, or has not delivered all it has read");
  expect([ledger.places, processes.find(process)]).toEqual([[], undefined]);
});

test("the next agent restores a process with its pipe, and drops those of one that is gone", () => {
  const first = agent();
  const [one, gone] = [play({ terminal: true }), play({ terminal: true })];
  for (const each of [gone, one]) {
    const attached = first.add(each);
    closing(attached);
  }
  const deposits = new Map<string, Fd>();
  for (const name of [pipeOf(one.process.launchId), pipeOf(gone.process.launchId), "other"]) {
    const { read, write } = sys.pipe();
    sys.close(write);
    deposits.set(name, read);
  }
  closing({ close: () => sys.close(deposits.get("other") ?? -1) });
  const place = first.processes.find(one.process)?.place;
  const left = [{ container: "c", process: one.process }];
  const { ledger } = first;
  const second = agent({ ledger, deposits, left, directory: first.directory });
  const restored = second.processes.find(one.process);
  expect([restored?.place, ledger.places]).toEqual([place, [place]]);
  expect([second.calls("deposit"), second.calls("withdraw")]).toEqual([
    ["streams:mover"],
    [pipeOf(gone.process.launchId)],
  ]);
  restored?.close();
});

test("a start that the previous agent didn't complete is claimed once, by its key, and completed in its place", () => {
  const ledger = new StreamLedger(createLedgerMemory());
  const places = ["a", "b"].map((key) => agent({ ledger }).processes.prepare(keyOf(key)));
  const { processes } = agent({ ledger });
  expect([processes.claim(keyOf("c")), processes.claim(keyOf("a")), processes.claim(keyOf("a"))]).toEqual([
    undefined,
    places[0],
    undefined,
  ]);
  expect(processes.prepare(keyOf("b"))).toBe(places[1]);
  expect(ledger.places).toEqual(places);
});

test("if all places are in use, an unclaimed start goes first, then the oldest ended process without a client", async () => {
  const ledger = new StreamLedger(createLedgerMemory());
  const unclaimed = agent({ ledger }).processes.prepare(keyOf("old"));
  const { processes, add } = agent({ ledger });
  const [running, attached, left, later] = [play(), play(), play(), play()];
  const all = [running, attached, left, later].map((each) => add(each));
  for (const { end } of [attached, left, later]) await end();
  if (all[1] !== undefined) all[1].owner = owner();
  expect(all.map(({ isLeft }) => isLeft)).toEqual([false, false, true, true]);
  while (ledger.take(keyOf("x")) !== undefined); // this memory doesn't grow
  expect(processes.prepare()).toBe(unclaimed);
  expect(processes.find(left.process)).toBe(all[2]);
  expect(processes.prepare()).toBe(all[2]?.place);
  expect([processes.find(left.process), processes.find(later.process)]).toEqual([undefined, all[3]]);
  expect(left.process.waited).toBe(true);
  processes.prepare();
  const line = `attach: ${MAX_LEDGER_ENTRIES} processes are attached to, or keep output for their clients; end one`;
  expect(() => processes.prepare()).toThrow(expect.objectContaining({ kind: "resource-exhausted", message: line }));
  expect([processes.find(running.process), processes.find(attached.process)]).toEqual([all[0], all[1]]);
  for (const each of all) each.close();
});

describe("output in files", () => {
  test("has a place's mode and size, which are given back with it", () => {
    const { processes, ledger } = agent();
    const place = processes.prepare(undefined, RING);
    expect(ledger.mode(place)).toEqual({ kind: "ring", isHeld: false, keeper: "client" });
    expect([ledger.capacity(place, 0), ledger.capacity(place, 1)]).toEqual([16_384, 16_384]);
    const { process } = play();
    processes.release(processes.add(place, { container: "c", process }));
    expect([ledger.capacity(place, 0), ledger.capacity(place, 1), ledger.places]).toEqual([0, 0, []]);
  });

  test("is bounded in all, and an ended process without a client gives its own up first", async () => {
    const { processes, add, ledger } = agent();
    const most = Math.floor(MAX_SPOOL_BYTES);
    const left = play();
    add(left, { kind: "ring", keepBytes: 65_536 });
    const big = processes.prepare(undefined, RING);
    ledger.setCapacity(big, 0, most - 131_072 - 32_768 - 10);
    ledger.setCapacity(big, 1, 10);
    const last = processes.prepare(undefined, RING);
    const line = `attach: the output that is kept in files may have ${most} bytes in all`;
    const refused = expect.objectContaining({
      kind: "resource-exhausted",
      message: `${line}; end a process that has some, or set a smaller keep_bytes`,
    });
    expect(() => processes.prepare(undefined, RING)).toThrow(refused);
    expect(processes.prepare()).toBeGreaterThan(last);
    await left.end();
    expect(() => processes.prepare(undefined, RING)).not.toThrow();
    expect([processes.find(left.process), left.process.waited]).toEqual([undefined, true]);
  });

  test.each([
    [{ kind: "hold", keepBytes: 1 }, "attach: keep_bytes is 1 without a mode that keeps; set ring or spool"],
    [{ kind: "ring", keepBytes: 16_383 }, "attach: keep_bytes is 16383, not from 16384 to 1048576"],
    [{ kind: "ring", keepBytes: 1_048_577 }, "attach: keep_bytes is 1048577, not from 16384 to 1048576"],
    [{ kind: "spool", keepBytes: 67_108_865 }, "attach: keep_bytes is 67108865, not from 16384 to 67108864"],
  ] as const)("can't have the size of %j", (request, message) => {
    const { processes, ledger } = agent();
    const refused = expect.objectContaining({ kind: "invalid-argument", message });
    expect(() => processes.prepare(undefined, request)).toThrow(refused);
    expect(ledger.places).toEqual([]);
  });

  test.each([
    ["ring", 0, 262_144],
    ["spool", 0, 1_048_576],
    ["ring", 16_384, 16_384],
    ["ring", 16_385, 32_768],
    ["ring", 1_048_576, 1_048_576],
  ] as const)("of a %s with %i bytes has room for %i", (kind, keepBytes, capacity) => {
    const { processes, ledger } = agent();
    expect(ledger.capacity(processes.prepare(undefined, { kind, keepBytes }), 0)).toBe(capacity);
  });
});

describe("a process's mode", () => {
  test("is held or not, which its outputs notice; a process in HOLD stays in it", () => {
    const { add } = agent();
    const attached = add(play(), RING);
    const pump = vi.fn();
    attached.stdout.watch({ pump, onLost: () => undefined });
    attached.setHeld(false);
    expect(pump).not.toHaveBeenCalled();
    attached.setHeld(true);
    expect([attached.mode, pump.mock.calls.length]).toEqual([{ kind: "ring", isHeld: true, keeper: "client" }, 1]);
    attached.close();
    const held = add(play());
    held.setHeld(true);
    const message = "attach: the process's output is held; its mode is chosen at its start";
    expect(() => held.setHeld(false)).toThrow(expect.objectContaining({ kind: "failed-precondition", message }));
    expect(held.mode.isHeld).toBe(true);
  });
});

describe("observers", () => {
  const observer = (client = "o") => ({ client, removed: vi.fn() });

  test("are at most 32, and each frees its place once", () => {
    const { add } = agent();
    const attached = add(play());
    const leaves = Array.from({ length: 32 }, () => attached.observe(observer()));
    const message = "attach: 32 observers are attached to the process";
    const refused = expect.objectContaining({ kind: "resource-exhausted", message });
    expect(() => attached.observe(observer())).toThrow(refused);
    leaves[0]?.(true);
    leaves[0]?.(true);
    attached.observe(observer());
    expect(() => attached.observe(observer())).toThrow(refused);
  });

  test("are waited for when the process is released, at most 5 s, and then removed", () => {
    const { add, processes, ledger } = agent();
    const attached = add(play());
    const watching = observer();
    attached.observe(watching);
    processes.release(attached);
    expect([attached.isReleased, attached.process.waited, ledger.places.length]).toEqual([true, false, 1]);
    vi.advanceTimersByTime(4999);
    expect(watching.removed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect([watching.removed.mock.calls.length, ledger.places, attached.process.waited]).toEqual([1, [], true]);
  });

  test("that were cut off may come back, and the last one that leaves ends the wait", () => {
    const { add, processes, ledger } = agent();
    const attached = add(play());
    attached.observe(observer("a"))(false);
    processes.release(attached);
    expect(ledger.places).toHaveLength(1);
    const leave = attached.observe(observer("a"));
    const other = attached.observe(observer("b"));
    leave(true);
    expect(ledger.places).toHaveLength(1);
    other(true);
    expect([ledger.places, vi.getTimerCount()]).toEqual([[], 0]);
  });

  test("that left for good aren't waited for", () => {
    const { add, processes, ledger } = agent();
    const attached = add(play());
    attached.observe(observer())(true);
    processes.release(attached);
    expect(ledger.places).toEqual([]);
  });

  test("keep an ended process from being dropped", async () => {
    const { add } = agent();
    const played = play();
    const attached = add(played);
    await played.end();
    const leave = attached.observe(observer());
    expect(attached.isLeft).toBe(false);
    leave(true);
    expect(attached.isLeft).toBe(true);
  });
});
