import { afterEach, expect, test } from "vitest";
import { createLedgerMemory, MAX_LEDGER_ENTRIES, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { ExitStatus, Fd } from "../../kernel/kernel.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { Process } from "../process/process.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { ResumableProcesses } from "./resumable-processes.ts";

leavesNoDescriptors();
const never = new AbortController().signal;
const ENDED: ExitStatus = { code: 3, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
const keyOf = (text: string) => Buffer.alloc(32, text);

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

/** An agent that has these deposits, and what it withdraws and deposits. */
function agent(ledger: StreamLedger, processes: readonly Process[] = [], deposits = new Map<string, Fd>()) {
  const kernel = testKernel({ greeting: { deposits } });
  const resumable = new ResumableProcesses(kernel, ledger, processes);
  const names = (call: string) => kernel.init.calls.filter(([name]) => name === call).map(([, name]) => String(name));
  cleanUps.push(() => {
    const mover = kernel.init.calls.find(([, name]) => name === "streams:mover")?.[2];
    if (mover !== undefined) kernel.sys.close(Number(mover));
  });
  return { resumable, withdrawn: () => names("withdraw"), deposited: () => names("deposit") };
}

let ids = 0;

/** A process without stdio, or one that has printed a byte. */
function process({ hasOutput = false } = {}) {
  const kernel = testKernel();
  const { sys, init } = kernel;
  const [pidfd, out] = [sys.pipe(), sys.pipe()];
  if (hasOutput) sys.write(out.write, Buffer.of(1));
  for (const fd of [pidfd.write, out.write]) sys.close(fd);
  const exit = Promise.withResolvers<ExitStatus>();
  if (!hasOutput) sys.close(out.read);
  const fds = hasOutput ? { stdout: out.read } : {};
  const started = new Process(kernel, "x", { id: ++ids, pid: 1, pidfd: pidfd.read, exit: exit.promise }, fds);
  cleanUps.push(() => started.destroy());
  const end = async () => {
    exit.resolve(ENDED);
    await started.exit;
  };
  return { process: started, id: ids, end, init };
}

const pipes = (id: number) => [`streams:${id}:0`, `streams:${id}:1`];
const ledgerOf = () => new StreamLedger(createLedgerMemory());

test("a process is found until its end is acknowledged, which also counts as waited for", () => {
  const ledger = ledgerOf();
  const { resumable, withdrawn, deposited } = agent(ledger);
  const { process: one, id } = process();
  const place = resumable.prepare(keyOf("a"));
  expect([ledger.places, ledger.process(place)]).toEqual([[place], undefined]);
  const attached = resumable.add(place, one);
  expect([resumable.find(one), ledger.process(place)]).toEqual([attached, id]);
  expect(Buffer.from(resumable.keyOf(attached))).toEqual(keyOf("a"));
  expect(deposited()).toEqual(["streams:mover", ...pipes(id)]);
  resumable.release(attached);
  expect([resumable.find(one), one.waited, ledger.places, withdrawn()]).toEqual([undefined, true, [], pipes(id)]);
  resumable.release(attached);
  expect(withdrawn()).toEqual(pipes(id));
});

test("the places of a start that fails, and of a process that is removed, are free again", () => {
  const ledger = ledgerOf();
  const { resumable, withdrawn } = agent(ledger);
  const place = resumable.prepare();
  resumable.cancel(place);
  expect(ledger.places).toEqual([]);
  const { process: one, id } = process();
  resumable.add(resumable.prepare(), one);
  one.destroy();
  expect([resumable.find(one), ledger.places, withdrawn()]).toEqual([undefined, [], pipes(id)]);
});

test("a process whose output calls read can't be attached to, and its place is free again", async () => {
  const ledger = ledgerOf();
  const { resumable, withdrawn } = agent(ledger);
  const { process: one, id } = process();
  const { process: busy, id: busyId } = process({ hasOutput: true });
  await busy.output("stdout").read(1, never);
  expect(() => resumable.add(resumable.prepare(), busy)).toThrow("attach: a call reads the output");
  expect([ledger.places, withdrawn()]).toEqual([[], pipes(busyId)]);
  resumable.add(resumable.prepare(), one);
  expect(ledger.process(ledger.places[0] ?? -1)).toBe(id);
  one.destroy();
});

test("the next agent restores a process with its pipes, and drops those of one that is gone", () => {
  const ledger = ledgerOf();
  const first = agent(ledger);
  const [one, gone] = [process(), process()];
  for (const { process: each } of [gone, one]) {
    const attached = first.resumable.add(first.resumable.prepare(), each);
    cleanUps.push(() => attached.close());
  }
  const { sys } = testKernel();
  const kept = new Map<string, Fd>();
  for (const name of [...pipes(one.id), ...pipes(gone.id), "streams:mover", "other"]) {
    const { read, write } = sys.pipe();
    sys.close(write);
    kept.set(name, read);
  }
  cleanUps.push(() => {
    for (const name of ["other", "streams:mover"]) sys.close(kept.get(name) ?? -1);
  });
  const [place] = ledger.places.filter((it) => ledger.process(it) === one.id);
  const second = agent(ledger, [one.process], kept);
  const restored = second.resumable.find(one.process);
  expect([restored?.place, ledger.places]).toEqual([place, [place]]);
  expect(second.deposited()).toEqual([]);
  expect(new Set(second.withdrawn())).toEqual(new Set(pipes(gone.id)));
  restored?.close();
});

test("a start that the previous agent did not complete is claimed once, by its key", () => {
  const ledger = ledgerOf();
  const place = agent(ledger).resumable.prepare(keyOf("a"));
  const { resumable } = agent(ledger);
  expect([resumable.claim(keyOf("b")), resumable.claim(keyOf("a")), resumable.claim(keyOf("a"))]).toEqual([
    undefined,
    place,
    undefined,
  ]);
  expect(ledger.places).toEqual([place]);
});

test("a start is completed in the place of the previous agent's attempt", () => {
  const ledger = ledgerOf();
  const place = agent(ledger).resumable.prepare(keyOf("a"));
  expect(agent(ledger).resumable.prepare(keyOf("a"))).toBe(place);
});

test("if all places are in use, an unclaimed start goes first, then the oldest ended process without a client", async () => {
  const ledger = ledgerOf();
  const unclaimed = agent(ledger).resumable.prepare(keyOf("old"));
  const { resumable } = agent(ledger);
  const [running, attached, left, later] = [process(), process(), process(), process()];
  const all = [running, attached, left, later].map(({ process: each }) => resumable.add(resumable.prepare(), each));
  for (const { end } of [attached, left, later]) await end();
  const owner = { client: "c", replaced: () => undefined, removed: () => undefined };
  if (all[1] !== undefined) all[1].owner = owner;
  expect(all.map(({ isLeft }) => isLeft)).toEqual([false, false, true, true]);
  for (let used = ledger.places.length; used < MAX_LEDGER_ENTRIES; used++) resumable.prepare();
  expect(resumable.prepare()).toBe(unclaimed);
  expect(resumable.find(left.process)).toBe(all[2]);
  expect(resumable.prepare()).toBe(all[2]?.place);
  expect([resumable.find(left.process), resumable.find(later.process)]).toEqual([undefined, all[3]]);
  expect(left.process.waited).toBe(true);
  resumable.prepare();
  const message = "attach: 128 processes are attached to, or keep output for their clients; end one";
  expect(() => resumable.prepare()).toThrow(expect.objectContaining({ kind: "resource-exhausted", message }));
  expect([resumable.find(running.process), resumable.find(attached.process)]).toEqual([all[0], all[1]]);
  for (const each of all) each.close();
});
