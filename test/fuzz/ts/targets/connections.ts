import { AgentError } from "../../../../agent/kernel/error.ts";
import { createJournalMemory, journalIn } from "../../../../agent/kernel/journal/journal.ts";
import type { ServiceTable } from "../../../../agent/service/dispatch.ts";
import { BodyRoom } from "../../../../agent/transport/body-room.ts";
import { RpcServer } from "../../../../agent/transport/rpc-server.ts";
import { ttrpc } from "../../../../proto/gen/messages.js";
import { encodeHeader, FRAME_REQUEST, FRAME_RESPONSE, FrameParser } from "../../../../proto/ttrpc-frame.ts";
import { answer } from "../../../transport/testing/answer.ts";
import { type FuzzTarget, promise } from "../target.ts";
import { playedWire } from "./played-wire.ts";
import { untilAborted } from "./until-aborted.ts";

const { calls } = journalIn(createJournalMemory());
const room = new BodyRoom(1 << 20, () => undefined);
let runs = 0;
/** A handler that echoes, one that throws, and one that waits until its call is aborted. */
const table: ServiceTable = {
  find(service, method) {
    if (service !== "s") return "no-service";
    if (method === "e") return async (payload) => answer(payload);
    if (method === "t") return () => Promise.reject(new AgentError("internal", "thrown"));
    if (method === "w") return (_, { signal }) => untilAborted(signal);
    return "no-method";
  },
  mayRepeat: () => false,
  mayGoOn: () => false,
  *list() {},
};

const frame = (streamId: number, method: string, payload: string) => {
  const body = ttrpc.Request.encode({ service: "s", method, payload: Buffer.from(payload) }).finish(true);
  return Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_REQUEST, flags: 0 }), body]);
};

export const connections: FuzzTarget = {
  name: "connections",
  promise:
    "a ttRPC connection with any bytes answers no stream twice, and releases its memory budget, its slots in the journal and its descriptor",
  seeds: () => [
    Buffer.concat([
      Buffer.of(30),
      frame(1, "e", "hello"),
      frame(3, "w", ""),
      frame(3, "e", "again"),
      frame(5, "n", ""),
    ]),
    Buffer.concat([
      Buffer.of(7),
      frame(2, "e", "x"),
      frame(7, "w", "y"),
      encodeHeader(5 << 20, { streamId: 9, type: 1, flags: 0 }),
    ]),
  ],
  async run(input) {
    if (input[1] === 0x50) return; // HTTP/2
    const size = Math.max(input[0] ?? 1, 1);
    const wire = playedWire(input.subarray(1), size);
    const deposits = new Set<string>();
    const init = {
      deposit: (name: string) => void deposits.add(name),
      withdraw: (name: string) => void deposits.delete(name),
    };
    const server = new RpcServer({ sys: wire.sys, init, journal: calls }, table, { room });
    const connection = server.accept(7);
    promise(connection !== undefined, "the connection is accepted");
    await wire.done;
    await new Promise(setImmediate);
    connection.destroy();
    await connection.closed;
    await new Promise(setImmediate);
    promise(wire.closed === 1, `the descriptor is closed once, not ${wire.closed} times`);
    promise(room.left === 1 << 20, `${(1 << 20) - room.left} bytes of the memory budget are not released`);
    promise(deposits.size === 0, "init keeps nothing of the connection");
    const answers = new FrameParser().push(Buffer.concat(wire.written));
    const asked = requestsIn(input.subarray(1));
    for (const { type, streamId, kind } of answers) {
      promise(kind === "frame" && type === FRAME_RESPONSE, "an answer is a complete response");
      const left = asked.get(streamId) ?? 0;
      promise(left > 0, `stream ${streamId} has no more answers than requests`);
      asked.set(streamId, left - 1);
    }
    const free = calls.openConnection(undefined);
    promise(free !== undefined, "its slot in the journal is free");
    // Checked from time to time for all slots, since a leaked one stays in use.
    const places = Array.from({ length: ++runs % 512 === 0 ? 4096 : 1 }, () =>
      calls.openCall(free.index, 1, Buffer.alloc(0), 0),
    );
    promise(!places.includes(undefined), "the slots of its calls are free");
    for (const place of places) calls.closeCall(free.index, place);
    calls.closeConnection(free.index);
  },
};

/** Counts the requests of each stream. */
function requestsIn(bytes: Buffer): Map<number, number> {
  const asked = new Map<number, number>();
  for (const { type, streamId } of new FrameParser().push(Buffer.from(bytes))) {
    if (type === FRAME_REQUEST) asked.set(streamId, (asked.get(streamId) ?? 0) + 1);
  }
  return asked;
}
