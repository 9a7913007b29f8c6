import { closeSync, openSync } from "node:fs";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { PacketCapture, type PacketSys } from "../../network/capture/packet-capture.ts";
import { findContainer } from "../find-container.ts";
import type { Agent } from "../rpc.ts";

/** Highest version of the protocol; since 2 the agent names interfaces. */
const VERSION = 2;
/** Most captures at once. */
const MAX_CAPTURES = 8;
/** Longest part of a packet: one frame holds it with both its headers. */
const MAX_SNAP = 65_500;
/** IFNAMSIZ with its terminator. */
const MAX_INTERFACE = 15;
/** BPF_MAXINSNS of 8 bytes. */
const MAX_FILTER = 4096 * 8;

const captureRequest = codec("guestd.v1.CaptureRequest", guestd.v1.CaptureRequest);

export interface OpenCapture {
  readonly capture: PacketCapture;
  readonly started: { readonly version: number; readonly snap_length: number };
  /** Calls back if the container ends before the capture is closed, with one line. */
  onContainerEnd(callback: (reason: string) => void): void;
  /** Throws if the policy denies the capture, now that it has changed. */
  checkAgain(): void;
  close(): void;
}

/** Opens captures of packets, as the policy allows. */
export class Capturing {
  readonly #agent: Agent;
  readonly #sys: PacketSys;
  #open = 0;

  constructor(agent: Agent, sys: PacketSys) {
    this.#agent = agent;
    this.#sys = sys;
  }

  /** Begins the capture that a first frame asks for. Throws AgentError. */
  open(payload: Uint8Array): OpenCapture {
    const request = decode(payload);
    check(request);
    const checkPolicy = () => this.#agent.policy.check("Capture", "CaptureRequest", request);
    checkPolicy();
    if (this.#open >= MAX_CAPTURES) {
      const line = `capture: ${MAX_CAPTURES} captures are already running; stop one of them`;
      throw new AgentError("resource-exhausted", line);
    }
    const { container_id: id, interface: interfaceName, filter } = request;
    const snapLength = request.snap_length === 0 ? MAX_SNAP : request.snap_length;
    const container = id === "" ? undefined : findContainer(this.#agent, id, "not-found");
    if (container?.init.status !== undefined) throw ended(id);
    const own = container === undefined ? openSync("/proc/self/ns/net", "r") : undefined;
    const namespace: Fd = own ?? container?.init.pidfd ?? -1;
    let capture: PacketCapture;
    try {
      capture = new PacketCapture(this.#sys, { namespace, interfaceName, filter, snapLength });
    } catch (error) {
      throw openError(error, id, interfaceName);
    } finally {
      if (own !== undefined) closeSync(own);
    }
    this.#open++;
    let onEnd: ((reason: string) => void) | undefined;
    // The callback is dropped at the end, as the promise keeps this one for the container's life.
    void container?.init.exit.then(() => onEnd?.(`container ${id} has ended`));
    let isClosed = false;
    return {
      capture,
      started: { version: Math.min(request.version, VERSION), snap_length: snapLength },
      checkAgain: checkPolicy,
      onContainerEnd: (callback) => {
        onEnd = callback;
      },
      close: () => {
        if (isClosed) return;
        isClosed = true;
        onEnd = undefined;
        capture.close();
        this.#open--;
      },
    };
  }
}

function decode(payload: Uint8Array): guestd.v1.CaptureRequest {
  try {
    return captureRequest.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}

function check({ version, interface: name, filter, snap_length: snap }: guestd.v1.CaptureRequest): void {
  const refuse = (why: string) => new AgentError("invalid-argument", `capture: ${why}`);
  if (version < 1) throw refuse(`the request has no version; set ${VERSION}`);
  if (Buffer.byteLength(name) > MAX_INTERFACE || name.includes("\0")) {
    throw refuse(`${JSON.stringify(name.slice(0, 80))} is no name of an interface (at most ${MAX_INTERFACE} bytes)`);
  }
  if (filter.length % 8 !== 0 || filter.length > MAX_FILTER) {
    throw refuse(`the filter has ${filter.length} bytes; a BPF program has up to 4096 instructions of 8 bytes`);
  }
  if (snap > MAX_SNAP) throw refuse(`a snap length of ${snap} bytes; the most is ${MAX_SNAP}`);
}

const ended = (id: string) =>
  new AgentError("failed-precondition", `capture in container ${id}: its first process has ended`);

/** Names what a failed system call means here. */
function openError(error: unknown, id: string, interfaceName: string): unknown {
  if (!(error instanceof SystemError)) return error;
  const fail = (why: string) => new AgentError("failed-precondition", `capture: ${why}`, { cause: error });
  switch (error.code) {
    case "ENODEV":
      return new AgentError("not-found", `capture: there is no interface ${interfaceName}`, { cause: error });
    case "ESRCH":
      return ended(id);
    case "EAFNOSUPPORT":
      return fail("the guest's kernel has no packet sockets (CONFIG_PACKET)");
    case "EINVAL":
      return new AgentError("invalid-argument", "capture: the kernel refuses the filter", { cause: error });
    default:
      return error;
  }
}
