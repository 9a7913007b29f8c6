import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLedgerMemory, type OutputMode, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { AttachedOutput } from "./attached-output.ts";
import type { ResumableParts } from "./resumable-output.ts";
import { endedProcess, type Owner, ResumableProcess } from "./resumable-process.ts";

const status = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
const owner: Owner = {
  client: "a client",
  replaced: () => undefined,
  probe: () => undefined,
  removed: () => undefined,
};

/** Returns a ledger with one process, and a function that makes the process, as each agent does. */
function started(mode: OutputMode) {
  const ledger = new StreamLedger(createLedgerMemory());
  const place = ledger.take(new Uint8Array(32)) ?? 0;
  ledger.setMode(place, mode);
  const parts = { ledger, place } as ResumableParts;
  const output = { close: () => undefined } as AttachedOutput;
  const agent = () => new ResumableProcess(parts, endedProcess(7, true, status), () => output);
  return { agent, isHeld: () => ledger.mode(place).isHeld };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

test("a process of RING waits for a minute for a client whose connection is lost, also across agents", () => {
  const { agent, isHeld } = started({ kind: "ring", isHeld: false, keeper: "client" });
  const first = agent();
  first.setHeld(true);
  first.owner = owner;
  vi.advanceTimersByTime(3_600_000);
  expect(isHeld()).toBe(true);
  first.owner = undefined;
  vi.advanceTimersByTime(59_000);
  first.owner = owner;
  vi.advanceTimersByTime(59_000);
  first.owner = undefined;
  vi.advanceTimersByTime(59_000);
  expect(isHeld()).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(isHeld()).toBe(false);
  first.setHeld(true);
  first.close(); // the agent's death: the next one finds the process held, without a client
  agent();
  vi.advanceTimersByTime(59_000);
  expect(isHeld()).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(isHeld()).toBe(false);
});

test.each<OutputMode>([
  { kind: "hold", isHeld: true, keeper: "client" },
  { kind: "spool", isHeld: true, keeper: "log" },
])("a process of $kind, kept by a $keeper, waits until its client is back", (mode) => {
  const { agent, isHeld } = started(mode);
  const process = agent();
  process.owner = owner;
  process.owner = undefined;
  vi.advanceTimersByTime(3_600_000);
  expect(isHeld()).toBe(true);
});

test("a removed process changes nothing in the place that it has left to another one", () => {
  const { agent, isHeld } = started({ kind: "ring", isHeld: true, keeper: "client" });
  const process = agent();
  process.owner = owner;
  process.close();
  process.owner = undefined;
  vi.advanceTimersByTime(3_600_000);
  expect(isHeld()).toBe(true);
});
