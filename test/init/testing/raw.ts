import type { PlanOp } from "../../../agent/kernel/init/plan.ts";
import { encodePlan } from "../../../agent/kernel/init/plan-encode.ts";
import type { Fd } from "../../../agent/kernel/kernel.ts";
import { sys } from "./relayed-init.ts";

/** Encodes a message to init from its parts, for messages that no real agent sends. */
export function message(type: number, id: number, body: Uint8Array = new Uint8Array(0), reserved = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(reserved, 4);
  header.writeBigUInt64LE(BigInt(id), 8);
  return Buffer.concat([header, body]);
}

export function u32(...values: number[]): Buffer {
  return Buffer.from(new Uint32Array(values).buffer);
}

export interface LaunchFields {
  flags?: number;
  keep?: number;
  slots?: number;
  reportSlot?: number;
  pidNamespaceSlot?: number;
  cgroupSlot?: number;
  label?: string;
  labelLength?: number;
}

export function launchBody(fields: LaunchFields): Buffer {
  const body = Buffer.alloc(20);
  body.writeUInt32LE(fields.flags ?? 0, 0);
  body.writeUInt32LE(fields.keep ?? 0, 4);
  body.writeUInt16LE(fields.slots ?? 1, 8);
  body.writeUInt16LE(fields.reportSlot ?? 0, 10);
  body.writeInt16LE(fields.pidNamespaceSlot ?? -1, 12);
  body.writeInt16LE(fields.cgroupSlot ?? -1, 14);
  const label = Buffer.from(fields.label ?? "");
  body.writeUInt32LE(fields.labelLength ?? label.length, 16);
  return Buffer.concat([body, label]);
}

/** Creates a sealed plan file with some bytes changed. */
export function planFile(plan: readonly PlanOp[], change: (bytes: Buffer) => Buffer | undefined = () => undefined): Fd {
  const bytes = Buffer.from(encodePlan(plan));
  return sys.memoryFile("plan", change(bytes) ?? bytes);
}

export interface RawReply {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
  readonly fds: readonly Fd[];
}

export async function nextReply(socket: Fd): Promise<RawReply> {
  const buffer = Buffer.alloc(4096);
  for (;;) {
    await sys.poll(socket, "read", AbortSignal.timeout(50_000));
    const got = sys.receiveMessage(socket, buffer);
    if (got === undefined) continue;
    if (got.data.length === 0) throw new Error("init closed the socket");
    const data = Buffer.from(got.data);
    return { type: data.readUInt32LE(0), id: Number(data.readBigUInt64LE(8)), body: data.subarray(16), fds: got.fds };
  }
}
