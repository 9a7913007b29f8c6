import { health } from "../../../proto/gen/services.js";
import { type Fault, fault } from "./fault.ts";

/** Defects of frames, of connections and of calls at the same time. */
export function framingFaults(): Fault[] {
  return [
    frames("a response is on another stream", /^Check: is answered on its stream/, (frame) => {
      const other = Buffer.from(frame);
      other.writeUInt32BE(frame.readUInt32BE(4) + 2, 4);
      return [other];
    }),
    frames("a response comes twice", /^Check: twenty frames in one piece are all answered, each once/, (frame) => [
      frame,
      frame,
    ]),
    frames("a response has the type of a request", /^Check: is answered on its stream, with type 2/, (frame) => {
      const other = Buffer.from(frame);
      other.writeUInt8(1, 8);
      return [other];
    }),
    frames("a response has flags", /^Check: is answered on its stream, with type 2 and no flags/, (frame) => {
      const other = Buffer.from(frame);
      other.writeUInt8(1, 9);
      return [other];
    }),
    frames("a response is never sent", /^Check: answers SERVING/, () => []),
    frames("a response lacks its last byte", /^Check: answers SERVING/, (frame) => [frame.subarray(0, -1)]),
    frames("the length in a header is too long by one", /^Check: answers SERVING/, (frame) => {
      const other = Buffer.from(frame);
      other.writeUInt32BE(frame.readUInt32BE(0) + 1, 0);
      return [other];
    }),
    frames("the connection ends after a response", /^Check: (twenty frames|stream ids may have gaps)/, (frame) => [
      frame,
      "close",
    ]),
    fault("Check: unknown fields are refused", /^Check: unknown fields/, {
      call: "Check",
      answer(payload) {
        const known = health.Check.request.encode(health.Check.request.decode(payload) as never);
        return known.length === payload.length ? undefined : { code: 3, text: "unknown field" };
      },
    }),
    fault("Check: metadata is refused", /^Check: metadata/, {
      call: "Check",
      answer: (_payload, { metadata }) => (metadata.length === 0 ? undefined : { code: 3, text: "no metadata" }),
    }),
    fault("every call: time limits are ignored", /^WaitProcess: the agent itself ends a call at its time limit/, {
      timeout: () => 0,
    }),
    fault("every call: time limits are a thousandth", /^Check: the longest possible|^ReadStdout: waits|^WaitProcess/, {
      timeout: (nanoseconds) => Math.ceil(nanoseconds / 1000),
    }),
    fault("every call: calls of a connection wait for each other", /^ReadStdout: an open call does not hold back/, {
      serial: true,
    }),
    fault("connections: only every second one is accepted", /^Check: is answered on each of ten connections/, {
      accepts: (connection) => connection % 2 === 1,
    }),
  ];
}

function frames(
  name: string,
  caughtBy: RegExp,
  responseFrames: (frame: Buffer) => readonly (Buffer | "close")[],
): Fault {
  return fault(`Check: ${name}`, caughtBy, { call: "Check", responseFrames });
}
