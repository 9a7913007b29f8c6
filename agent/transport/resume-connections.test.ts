import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { ttrpc } from "../../proto/gen/messages.js";
import { FrameParser } from "../../proto/ttrpc-frame.ts";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import type { ServiceTable } from "../service/dispatch.ts";
import { BodyRoom } from "./body-room.ts";
import { type BrokenEvent, diagnostics, type ResumedEvent } from "./diagnostics.ts";
import { KeptConnections } from "./kept-connections.ts";
import { resumeConnections } from "./resume-connections.ts";
import { ServedConnection } from "./served-connection.ts";
import { listen } from "./testing/listen.ts";
import { createWireDouble } from "./testing/wire-double.ts";
import type { WireSys } from "./wire.ts";

const FD = 7;
const body = (method: string) => Buffer.from(ttrpc.Request.encode({ service: "a.B", method }).finish());

/** A journal with one connection and its open calls, by method. */
function journalWith(...methods: string[]) {
  const memory = createJournalMemory();
  const { calls } = journalIn(memory);
  const { index = -1 } = calls.openConnection(2) ?? {};
  for (const [at, method] of methods.entries()) calls.openCall(index, 2 * at + 1, body(method), 0);
  return memory;
}

interface Parts {
  readonly sys?: Partial<WireSys>;
  readonly table?: Partial<ServiceTable>;
  readonly deposits?: ReadonlyMap<string, number>;
  readonly undone?: Promise<unknown>;
}

/** Plays the start of the next agent: what it publishes, asks of the kernel and of init, and the handlers it calls. */
function nextAgent(memory: ArrayBuffer, parts: Parts = {}) {
  const sys = createWireDouble(parts.sys);
  const resumed = listen<ResumedEvent>(diagnostics.resumed);
  const broken = listen<BrokenEvent>(diagnostics.broken);
  const withdrawn: string[] = [];
  const init = { deposit: () => undefined, withdraw: (name: string) => void withdrawn.push(name) };
  const kept = new KeptConnections(journalIn(memory).calls, init);
  const begun: string[] = [];
  const table: ServiceTable = {
    find: (_, method) => async () => {
      begun.push(method);
      return Buffer.alloc(24);
    },
    mayRepeat: (_, method) => method.startsWith("Repeat"),
    mayGoOn: (_, method) => method.startsWith("Continue"),
    list: () => [],
    ...parts.table,
  };
  const server = { sys, kept, table, room: new BodyRoom(1 << 20), options: {}, grpc: new Set<never>() };
  const loadGrpc = () => Promise.reject(new Error("not in this test"));
  resumeConnections({
    ...{ ...server, loadGrpc, deposits: parts.deposits ?? new Map([["conn:1", FD]]) },
    undone: parts.undone ?? Promise.resolve(),
    serve: (fd, cid) => new ServedConnection({ ...server, loadGrpc }, fd, `vsock:${cid}`, cid),
    nameOf: (cid) => `vsock:${cid}`,
  });
  /** Answers by stream id: "code message". */
  const answers = () =>
    new FrameParser()
      .push(Buffer.from(sys.calls.flatMap((call) => /^send 7 (.*)$/s.exec(call)?.[1] ?? []).join(""), "latin1"))
      .map((frame) => {
        if (frame.kind !== "frame") return undefined;
        const { status } = ttrpc.Response.decode(frame.body);
        return `${frame.streamId}: ${status?.code ?? 0} ${status?.message ?? ""}`;
      });
  const left = () => journalIn(memory.slice(0)).calls.found;
  /** Opens one more connection, and returns its calls for the agent after this one. */
  const callsOfNext = () => {
    const index = kept.keep(8, 2);
    return left().find((found) => found.index === index)?.calls;
  };
  return { sys, resumed, broken, withdrawn, begun, answers, left, callsOfNext };
}

test("calls that may be repeated are, and others are answered that the agent was restarted", async () => {
  const { resumed, begun, answers, left } = nextAgent(journalWith("Repeat", "Other", "Continue"));
  expect(resumed).toEqual([{ peer: "vsock:2", broken: undefined, open: 3, repeated: 2, cutOff: 1 }]);
  await expect.poll(() => left()[0]?.calls).toEqual([]);
  expect(begun).toEqual(["Repeat", "Continue"]);
  expect(answers().sort()).toEqual([
    expect.stringMatching(/^1: 0/),
    "3: 14 /a.B/Other: the agent was restarted during the call, which may or may not have taken effect; check, then retry",
    expect.stringMatching(/^5: 0/),
  ]);
});

test("only calls that continue, and refusals, wait until interrupted work is rolled back", async () => {
  const undone = Promise.withResolvers<void>();
  const { begun, answers } = nextAgent(journalWith("Repeat", "Other", "Continue"), { undone: undone.promise });
  await expect.poll(() => answers().length).toBe(1);
  expect(begun).toEqual(["Repeat"]);
  undone.resolve();
  await expect.poll(() => answers().length).toBe(3);
  expect(begun).toEqual(["Repeat", "Continue"]);
});

test("a connection whose descriptor init doesn't have is forgotten with its calls", () => {
  const { sys, resumed, withdrawn, left, callsOfNext } = nextAgent(journalWith("Repeat"), { deposits: new Map() });
  expect(resumed).toEqual([{ peer: "vsock:2", broken: "init doesn't have its descriptor", open: 1 }]);
  expect([withdrawn, left(), sys.calls]).toEqual([["conn:1"], [], []]);
  expect(callsOfNext()).toEqual([]);
});

test("a descriptor that the journal doesn't know is closed", () => {
  const deposits = new Map([["conn:9", 99]]);
  const { sys, resumed, withdrawn } = nextAgent(createJournalMemory(), { deposits });
  expect(resumed).toEqual([{ peer: "unknown", broken: "it isn't in the journal", open: 0 }]);
  expect([withdrawn, sys.calls]).toEqual([["conn:9"], ["close 99"]]);
});

test("a connection with a request that found no room is ended, and its calls are forgotten", () => {
  const memory = journalWith("Repeat");
  const { calls } = journalIn(memory);
  calls.noted(calls.found[0]?.index, Buffer.alloc(1), 8 << 20);
  const { sys, resumed, withdrawn, left } = nextAgent(memory);
  expect(resumed).toMatchObject([{ broken: "no room to keep the beginning of a request", open: 1 }]);
  expect([sys.calls, withdrawn, left()]).toEqual([["end 7", "close 7"], ["conn:1"], []]);
});

test("a connection that can't be read any more is closed once, and its calls are forgotten", () => {
  const watch = () => {
    throw new Error("no more watches");
  };
  const { sys, resumed, withdrawn, left } = nextAgent(journalWith("Repeat"), { sys: { watch } });
  expect(resumed).toEqual([{ peer: "vsock:2", broken: "it can no longer be read", open: 1 }]);
  expect([sys.calls, withdrawn, left()]).toEqual([["close 7"], ["conn:1"], []]);
});

test("an error while calls are resumed ends their connection only", async () => {
  const error = new TypeError("a bug");
  const mayGoOn = () => {
    throw error;
  };
  const { sys, broken, left } = nextAgent(journalWith("Repeat"), { table: { mayGoOn } });
  await turn();
  expect(broken).toEqual([{ error }]);
  expect(sys.calls.slice(-2)).toEqual(["end 7", "close 7"]);
  expect(left()).toEqual([]);
});
