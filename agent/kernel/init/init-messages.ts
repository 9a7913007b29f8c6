import { AgentError } from "../error.ts";
import type { AdoptRequest, ExitStatus, Fd, KeptFds, KeptRole, LaunchRequest } from "../kernel.ts";

/** Longest message between init and agent. Their little-endian formats are those of agent/native/init/message.h and link.c. */
export const MAX_INIT_MESSAGE = 4096;
const HEADER_BYTES = 16;
const LAUNCH_BYTES = HEADER_BYTES + 20;
const MAX_LABEL = 1024;
const MAX_FDS = 64;

/** Roles by their bit in a mask. */
const KEPT_ROLES: readonly KeptRole[] = ["stdin", "stdout", "stderr", "terminal", "report", "release"];

export const REQUEST = { launch: 1, forget: 2, close: 3, keep: 4, drop: 5, power: 6, adopt: 7, heartbeat: 8 } as const;
const REPLY = { launched: 16, exited: 17, process: 18, kept: 19, ready: 20, refused: 21 } as const;

const header = (type: number, id: number, bodyBytes: number): Buffer => {
  const bytes = Buffer.alloc(HEADER_BYTES + bodyBytes);
  bytes.writeUInt32LE(type, 0);
  bytes.writeBigUInt64LE(BigInt(id), 8);
  return bytes;
};

/** Encodes LAUNCH, and lists the descriptors to send after the plan's. */
export function encodeLaunch(request: LaunchRequest): { bytes: Uint8Array; fds: Fd[] } {
  const label = encodeLabel(request);
  const kept = encodeKept(request.keep);
  const fds = [...request.slots, ...kept.fds];
  if (fds.length >= MAX_FDS)
    throw overLimit(request.id, `${fds.length} descriptors are over the limit of ${MAX_FDS - 1}`);
  const bytes = header(REQUEST.launch, request.id, LAUNCH_BYTES - HEADER_BYTES + label.length);
  bytes.writeUInt32LE(request.newPidNamespace ? 1 : 0, 16);
  bytes.writeUInt32LE(kept.mask, 20);
  bytes.writeUInt16LE(request.slots.length, 24);
  bytes.writeUInt16LE(request.reportSlot, 26);
  bytes.writeInt16LE(request.pidNamespaceSlot ?? -1, 28);
  bytes.writeInt16LE(request.cgroupSlot ?? -1, 30);
  bytes.writeUInt32LE(label.length, 32);
  bytes.set(label, LAUNCH_BYTES);
  return { bytes, fds };
}

/** Encodes ADOPT, and lists its descriptors. */
export function encodeAdopt(request: AdoptRequest): { bytes: Uint8Array; fds: Fd[] } {
  const label = encodeLabel(request);
  const { mask, fds } = encodeKept(request.keep);
  const bytes = header(REQUEST.adopt, request.id, 8 + label.length);
  bytes.writeUInt32LE(request.pid, 16);
  bytes.writeUInt32LE(mask, 20);
  bytes.set(label, 24);
  return { bytes, fds };
}

function encodeLabel({ id, label }: { readonly id: number; readonly label: string }): Buffer {
  const bytes = Buffer.from(label);
  if (bytes.length > MAX_LABEL)
    throw overLimit(id, `a label of ${bytes.length} bytes is over the limit of ${MAX_LABEL}`);
  return bytes;
}

function encodeKept(keep: KeptFds): { readonly mask: number; readonly fds: Fd[] } {
  const kept = KEPT_ROLES.map((role) => keep[role]);
  return {
    mask: kept.reduce<number>((mask, fd, role) => (fd === undefined ? mask : mask | (1 << role)), 0),
    fds: kept.filter((fd) => fd !== undefined),
  };
}

const overLimit = (id: number, what: string) => new AgentError("invalid-argument", `launch ${id}: ${what}`);

export const encodeForget = (id: number): Uint8Array => header(REQUEST.forget, id, 0);

export function encodeClose(id: number, role: KeptRole): Uint8Array {
  const bytes = header(REQUEST.close, id, 4);
  bytes.writeUInt32LE(KEPT_ROLES.indexOf(role), HEADER_BYTES);
  return bytes;
}

/** Encodes KEEP or DROP. */
export function encodeName(type: number, name: string): Uint8Array {
  const text = Buffer.from(name);
  if (text.length < 1 || text.length > 100) {
    throw new AgentError("invalid-argument", `deposit "${name}": the name has ${text.length} bytes; use 1 to 100`);
  }
  const bytes = header(type, 0, text.length);
  bytes.set(text, HEADER_BYTES);
  return bytes;
}

export function encodePower(action: "off" | "reboot"): Uint8Array {
  const bytes = header(REQUEST.power, 0, 4);
  bytes.writeUInt32LE(action === "reboot" ? 1 : 0, HEADER_BYTES);
  return bytes;
}

export function encodeHeartbeat(limitMs: number): Uint8Array {
  const bytes = header(REQUEST.heartbeat, 0, 4);
  bytes.writeUInt32LE(limitMs, HEADER_BYTES);
  return bytes;
}

export type InitReply =
  /**
   * Answer to LAUNCH and ADOPT. `error` is 0 or -errno, `where` the failed step, `detail` the faulty operation. `pidfd` is
   * undefined if the process ended before its adoption, or `lost` because this process was out of descriptors.
   */
  | {
      type: "launched";
      id: number;
      error: number;
      pid: number;
      where: number;
      detail: number;
      pidfd: Fd | undefined;
      lost?: true;
    }
  | { type: "exited"; id: number; exit: ExitStatus }
  | { type: "process"; id: number; pid: number; pidfd: Fd | undefined; exit?: ExitStatus; kept: KeptFds; label: string }
  | { type: "kept"; name: string; fd: Fd }
  | { type: "ready"; generation: number; initStartMicros: number; agentExecMicros: number }
  | { type: "refused"; id: number; request: number; error: number };

/** Decodes a message from init; its descriptors become part of the reply. Throws AgentError for an invalid message. */
export function decodeReply(data: Uint8Array, fds: readonly Fd[]): InitReply {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    return replyIn(bytes, fds);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AgentError("internal", `message from init: truncated at ${bytes.length} bytes`, { cause: error });
  }
}

/** Decodes a message; throws RangeError if it is truncated. */
function replyIn(bytes: Buffer, fds: readonly Fd[]): InitReply {
  const id = Number(bytes.readBigUInt64LE(8));
  const u64 = (at: number) => Number(bytes.readBigUInt64LE(HEADER_BYTES + at));
  const u32 = (at: number) => bytes.readUInt32LE(HEADER_BYTES + at);
  const i32 = (at: number) => bytes.readInt32LE(HEADER_BYTES + at);
  const exitAt = (at: number) => exitStatus(u32(at), { user: u64(at + 4), system: u64(at + 12), rss: u64(at + 20) });
  const type = bytes.readUInt32LE(0);
  switch (type) {
    case REPLY.launched:
      return { type: "launched", id, error: i32(0), pid: u32(4), where: u32(8), detail: u32(12), pidfd: fds[0] };
    case REPLY.exited:
      return { type: "exited", id, exit: exitAt(0) };
    case REPLY.process: {
      const label = bytes.toString("utf8", HEADER_BYTES + 44, HEADER_BYTES + 44 + u32(40));
      const common = { type: "process", id, pid: u32(0), ...processFds(u32(36), fds), label } as const;
      return u32(4) === 1 ? { ...common, exit: exitAt(8) } : common;
    }
    case REPLY.kept:
      return { type: "kept", name: bytes.toString("utf8", HEADER_BYTES), fd: fds[0] ?? -1 };
    case REPLY.ready:
      return { type: "ready", generation: u64(0), initStartMicros: u64(8), agentExecMicros: u64(16) };
    case REPLY.refused:
      return { type: "refused", id, request: u32(0), error: i32(4) };
    default:
      throw new AgentError(
        "internal",
        `message from init: unknown type ${type}; init and agent have different versions`,
      );
  }
}

/** Sorts the descriptors: the pidfd, unless the process ended before its adoption, then the kept ones in bit order. */
function processFds(mask: number, fds: readonly Fd[]): { readonly pidfd: Fd | undefined; readonly kept: KeptFds } {
  const roles = KEPT_ROLES.filter((_, index) => (mask & (1 << index)) !== 0);
  const first = fds.length > roles.length ? 1 : 0;
  const kept: { [role in KeptRole]?: Fd } = {};
  for (const [index, role] of roles.entries()) {
    const fd = fds[first + index];
    if (fd !== undefined) kept[role] = fd;
  }
  return { pidfd: first === 1 ? fds[0] : undefined, kept };
}

/** Decodes a status of wait(2). */
function exitStatus(status: number, usage: { user: number; system: number; rss: number }): ExitStatus {
  const signal = status & 0x7f;
  const code = signal === 0 ? (status >> 8) & 0xff : 128 + signal;
  return { code, signal, userMicros: usage.user, systemMicros: usage.system, maxRssKib: usage.rss };
}
