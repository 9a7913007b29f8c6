import type { Journal } from "../../../../agent/kernel/journal/journal.ts";
import { readKept } from "../../../../agent/transport/ttrpc-request.ts";
import { FrameParser } from "../../../../proto/ttrpc-frame.ts";
import { type FuzzTarget, promise } from "../target.ts";
import { journalSeeds, leaveJournal, willChange } from "./left-journal.ts";

export const journals: FuzzTarget = {
  name: "journals",
  promise:
    "whatever an earlier agent left in the journal, the next one reads calls and pieces within their bounds, and can keep using it",
  seeds: journalSeeds,
  run(input) {
    const { calls, outputs } = leaveJournal(input);
    const places = new Set<number>();
    for (const connection of calls.found) {
      promise(connection.index >= 0 && connection.index < 512, "a connection has a slot");
      const parser = new FrameParser();
      parser.push(connection.unparsed);
      for (const call of connection.calls) {
        promise(!places.has(call.place), "each call has its own slot");
        places.add(call.place);
        promise(call.body.length <= 8 << 20, `a body of ${call.body.length} bytes`);
        readKept(call.body, call.deadline);
      }
      for (const call of connection.calls) calls.closeCall(connection.index, call.place);
      calls.closeConnection(connection.index);
    }
    for (const process of [0, 1]) {
      for (const piece of outputs.found({ process, stream: 0 })) {
        promise(piece.data.length <= 65_536, "a piece is no longer than a block");
        outputs.release(piece.block);
      }
    }
    outputs.keepOnly(() => false);
    keepsWorking(calls, outputs);
  },
};

/** Uses the journal for a connection with a call and a piece of output, from start to end. */
function keepsWorking(calls: Journal["calls"], outputs: Journal["outputs"]): void {
  const connection = calls.openConnection(2);
  if (connection === undefined) throw new Error("promise broken: a connection fits");
  const place = calls.openCall(connection.index, 1, Buffer.from("body"), 0);
  promise(place !== undefined, "a call fits");
  const piece = outputs.read({ process: 7, stream: 1 }, 0, 10, (into) => Buffer.from("out").copy(into));
  promise(typeof piece !== "number" && piece.data.toString() === "out" && piece.block !== undefined, "output fits");
  outputs.release(piece.block);
  willChange(connection.index, place ?? 0);
  calls.closeCall(connection.index, place);
  calls.closeConnection(connection.index);
}
