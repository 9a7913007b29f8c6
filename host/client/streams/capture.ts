import type { StreamFrame } from "../../../proto/stream-frame.ts";
import { truncate } from "../../visible.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import type { Connection } from "./connection.ts";
import { type FollowOptions, followFrames } from "./follow-frames.ts";
import { MAX_SNAP, recordEnds } from "./pcap.ts";

/** Highest version of the protocol. */
const VERSION = 2;
/** Most characters of an interface's name: 15 bytes, each escaped. */
const MAX_NAME = 15 * 6;
/** How long the agent may take to send the last packets of a capture that is stopped. */
const STOP_MS = 5000;

export interface CaptureTarget {
  /** Empty: the guest itself. */
  readonly container?: string;
  /** Default: all. */
  readonly interfaceName?: string | undefined;
  /** Classic BPF program, as `compileFilter` returns it. Default: all packets. */
  readonly filter?: Uint8Array;
  /** Bytes kept of each packet, from the network header on; at most 65,500, which is the default. */
  readonly snapLength?: number;
}

export interface CaptureOptions extends Omit<FollowOptions, "signal"> {
  /** Ends the capture: the last packets and the end follow. */
  readonly stop?: AbortSignal;
}

export type CaptureEvent =
  /** Packets are received from now on; again after `interrupted`. */
  | { readonly type: "started"; readonly snapLength: number }
  /** The name of an interface in the guest, before its first packet; again after `started`. */
  | { readonly type: "interface"; readonly index: number; readonly name: string }
  /** Whole records of pcap with LINUX_SLL2, as `PcapngFile` takes them. `ends` has the position after each of them. */
  | { readonly type: "packets"; readonly bytes: Buffer; readonly ends: readonly number[] }
  /** The connection is lost. Packets until the next `started` are missing, and those dropped before are not counted. */
  | { readonly type: "interrupted"; readonly reason: string }
  /** The last event. `reason` is empty if `stop` ended the capture. */
  | { readonly type: "end"; readonly dropped: number; readonly reason: string };

/**
 * Yields the packets of a network namespace of the guest, over any number of connections. `address` is that of
 * guestd.v1.Streams. Throws RpcError if the agent refuses, or if no connection to it succeeds.
 */
export async function* capturePackets(
  address: string,
  { container = "", interfaceName = "", filter = new Uint8Array(), snapLength = 0 }: CaptureTarget = {},
  { stop, ...options }: CaptureOptions = {},
): AsyncGenerator<CaptureEvent, void> {
  const names = { container_id: container, interface: interfaceName };
  const request = requests.capture.encode({ version: VERSION, ...names, filter, snap_length: snapLength });
  let giveUp: NodeJS.Timeout | undefined;
  const onAbort = (connection: Connection) => {
    connection.send("captureStop");
    giveUp = setTimeout(() => connection.destroy(), STOP_MS);
  };
  const followed = { name: () => "capture", type: "capture", request: () => request, onAbort } as const;
  let state = { snapLength: 0, packets: 0 };
  let isStarted = false;
  try {
    for await (const frame of followFrames(address, followed, { ...options, signal: stop })) {
      isStarted = true;
      if (frame.type === "lost") {
        state = { snapLength: 0, packets: 0 };
        yield { type: "interrupted", reason: frame.reason };
        continue;
      }
      const event = take(frame, state);
      if (event !== undefined) yield event;
      if (event?.type === "end") return;
    }
  } catch (error) {
    if (!isStarted || !stop?.aborted || error !== stop.reason) throw error;
    yield { type: "end", dropped: 0, reason: "" };
  } finally {
    clearTimeout(giveUp);
  }
}

/** Checks a frame and returns its event. */
function take(
  { type, offset, payload }: StreamFrame,
  state: { snapLength: number; packets: number },
): CaptureEvent | undefined {
  const wrong = (what: string) => new RpcError("internal", `capture: the agent sent ${what}`);
  switch (type) {
    case "captureStarted": {
      if (state.snapLength > 0) throw wrong("a second start");
      state.snapLength = answers.captureStarted.decode(payload).snap_length;
      if (state.snapLength < 1 || state.snapLength > MAX_SNAP)
        throw wrong(`a snap length of ${state.snapLength} bytes`);
      return { type: "started", snapLength: state.snapLength };
    }
    case "captureInterface": {
      const { index, name } = answers.captureInterface.decode(payload);
      if (name.length > MAX_NAME) throw wrong(`an interface's name of ${name.length} characters`);
      return { type: "interface", index, name };
    }
    case "packets": {
      if (state.snapLength === 0) throw wrong("packets before the start");
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
      const ends = recordEnds(bytes, state.snapLength);
      if (ends === undefined) throw wrong("bytes that are no packets");
      if (offset !== state.packets) throw wrong(`packet ${offset} after ${state.packets} packets`);
      state.packets += ends.length;
      return { type: "packets", bytes, ends };
    }
    case "captureEnd": {
      const { packets, dropped, reason } = answers.captureEnd.decode(payload);
      if (state.snapLength === 0) throw wrong("an end before the start");
      if (packets !== state.packets) throw wrong(`${state.packets} of ${packets} packets`);
      return { type: "end", dropped, reason: truncate(reason) };
    }
    default:
      return undefined;
  }
}
