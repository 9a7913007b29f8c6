import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  encodeStreamFrame,
  STREAM,
  type StreamFrame,
  StreamFrameError,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { truncate } from "../../visible.ts";
import { failureIn } from "../edge/failure.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { dialStreams } from "./dial-streams.ts";
import { KeepAlive } from "./keep-alive.ts";
import { MAX_SNAP, recordEnds } from "./pcap.ts";

/** Highest version of the protocol. */
const VERSION = 2;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
/** Most characters of an interface's name: 15 bytes, each escaped. */
const MAX_NAME = 15 * 6;
/** How long the agent may take to send the last packets of a capture that is stopped. */
const STOP_MS = 5000;

export interface CaptureTarget {
  /** Empty: the guest itself. */
  readonly container?: string;
  /** Default: all. */
  readonly interfaceName?: string;
  /** Classic BPF program, as `compileFilter` returns it. Default: all packets. */
  readonly filter?: Uint8Array;
  /** Bytes kept of each packet, from the network header on; at most 65,500, which is the default. */
  readonly snapLength?: number;
}

export interface CaptureOptions {
  /** Ends the capture: the last packets and the end follow. */
  readonly stop?: AbortSignal;
  readonly dial?: typeof dialStreams;
  /** How long attempts to connect again may fail, in ms. Default: a minute. */
  readonly giveUpMs?: number;
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
  target: CaptureTarget = {},
  options: CaptureOptions = {},
): AsyncGenerator<CaptureEvent, void> {
  const { giveUpMs = 60_000, stop } = options;
  let [isStarted, pause] = [false, FIRST_PAUSE_MS];
  let cutAt: number | undefined;
  for (;;) {
    let reason = "the agent closed the connection";
    try {
      for await (const event of eventsOf(address, target, options)) {
        [isStarted, cutAt] = [true, undefined];
        if (event.type === "packets") pause = FIRST_PAUSE_MS;
        yield event;
        if (event.type === "end") return;
      }
      if (!isStarted) throw new RpcError("unavailable", `capture: ${reason}`);
    } catch (error) {
      if (!isStarted || isFinal(error)) throw error;
      reason = error instanceof Error ? error.message : String(error);
    }
    if (cutAt === undefined) yield { type: "interrupted", reason };
    cutAt ??= performance.now();
    if (stop?.aborted) return yield { type: "end", dropped: 0, reason: "" };
    if (performance.now() - cutAt > giveUpMs) throw new RpcError("unavailable", `capture: cut: ${reason}`);
    await sleep(pause, undefined, stop === undefined ? {} : { signal: stop }).catch(() => undefined);
    pause = Math.min(pause * 2, MAX_PAUSE_MS);
  }
}

/** True for errors that another connection would not change. A guest that is quiesced for a snapshot is "unavailable" for a while. */
function isFinal(error: unknown): boolean {
  if (error instanceof RpcError) return error.kind !== "unavailable";
  return error instanceof StreamFrameError;
}

/** The events of one connection, without `interrupted`. */
async function* eventsOf(
  address: string,
  { container = "", interfaceName = "", filter = new Uint8Array(), snapLength = 0 }: CaptureTarget,
  { stop, dial = dialStreams }: CaptureOptions,
): AsyncGenerator<CaptureEvent, void> {
  const socket = await dial(address, stop === undefined ? {} : { signal: stop });
  socket.on("error", () => undefined);
  const request = {
    version: VERSION,
    container_id: container,
    interface: interfaceName,
    filter,
    snap_length: snapLength,
  };
  socket.write(encodeStreamFrame("capture", STREAM.process, 0, requests.capture.encode(request)));
  using alive = new KeepAlive(socket);
  let giveUp: NodeJS.Timeout | undefined;
  const onStop = () => {
    socket.write(encodeStreamFrame("captureStop", STREAM.process, 0));
    giveUp = setTimeout(() => socket.destroy(), STOP_MS);
  };
  if (stop?.aborted) onStop();
  stop?.addEventListener("abort", onStop, { once: true });
  try {
    const parser = new StreamFrameParser("agent");
    const state = { snapLength: 0, packets: 0 };
    for await (const chunk of socket as Duplex & AsyncIterable<Buffer>) {
      alive.answered();
      for (const frame of parser.push(chunk)) {
        const event = take(frame, state);
        if (event !== undefined) yield event;
        if (event?.type === "end") return;
      }
    }
  } finally {
    stop?.removeEventListener("abort", onStop);
    clearTimeout(giveUp);
    socket.destroy();
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
    case "error":
      throw failureIn(payload);
    default:
      return undefined;
  }
}
