import { expect, test } from "vitest";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import { KeptConnections, keptDescriptors } from "./kept-connections.ts";

/** Connections in a journal, and what init was asked. */
function keeping(memory = createJournalMemory()) {
  const asked: string[] = [];
  const refusals: Error[] = [];
  const deposit = (name: string, fd: number) => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw refusal;
    asked.push(`deposit ${name} ${fd}`);
  };
  const init = { deposit, withdraw: (name: string) => void asked.push(`withdraw ${name}`) };
  const kept = new KeptConnections(journalIn(memory).calls, init);
  const found = () => journalIn(memory.slice(0)).calls.found;
  return { kept, asked, refusals, found, memory };
}

test("deposits that are connections are found by their number, others are left out", () => {
  const deposits = new Map([
    ["conn:3", 30],
    ["sandbox-pidns", 31],
    ["conn:12", 32],
  ]);
  expect([...keptDescriptors(deposits)]).toEqual([
    [3, 30],
    [12, 32],
  ]);
});

test("init has the descriptor of a connection until it is dropped, once", () => {
  const { kept, asked, found } = keeping();
  const first = kept.keep(20, 2) ?? -1;
  kept.keep(21, undefined);
  expect(found().map(({ number, peerCid }) => [number, peerCid])).toEqual([
    [1, 2],
    [2, undefined],
  ]);
  kept.drop(first);
  kept.drop(first);
  expect(asked).toEqual(["deposit conn:1 20", "deposit conn:2 21", "withdraw conn:1"]);
  expect(found().map(({ number }) => number)).toEqual([2]);
});

test("a connection that init can't keep has no place in the journal either", () => {
  const { kept, asked, refusals, found } = keeping();
  refusals.push(new Error("init isn't reading"));
  expect(kept.keep(20, 2)).toBeUndefined();
  expect(found()).toEqual([]);
  expect(kept.keep(21, 2)).toBeDefined();
  expect(asked).toEqual(["deposit conn:2 21"]);
});

test("the next agent withdraws the connections that it drops, and those that its journal doesn't have", () => {
  const { kept, memory } = keeping();
  kept.keep(20, 2);
  const next = keeping(memory);
  const [found] = next.kept.journal.found;
  if (found !== undefined) next.kept.adopt(found);
  next.kept.drop(found?.index ?? -1);
  next.kept.discard(9);
  expect([next.asked, next.found()]).toEqual([["withdraw conn:1", "withdraw conn:9"], []]);
});
