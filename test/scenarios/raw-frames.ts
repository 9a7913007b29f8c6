import { once } from "node:events";
import type { Duplex } from "node:stream";
import { ttrpc } from "../../proto/gen/messages.js";

/** Returns a request frame. `length` is the length in its header. */
export function frame(streamId: number, payload: Uint8Array, length = payload.length): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(length, 0);
  header.writeUInt32BE(streamId, 4);
  header.writeUInt8(1, 8);
  return Buffer.concat([header, payload]);
}

export function request(service: string, method: string, payload = new Uint8Array()): Uint8Array {
  return ttrpc.Request.encode({ service, method, payload }).finish();
}

/** Reads one response from a connection with one open call. */
export async function answer(socket: Duplex): Promise<{ streamId: number; code: number; message: string }> {
  let bytes = Buffer.alloc(0);
  while (bytes.length < 10 || bytes.length < 10 + bytes.readUInt32BE(0)) {
    const [data] = (await once(socket, "data", { signal: AbortSignal.timeout(50_000) })) as [Buffer];
    bytes = Buffer.concat([bytes, data]);
  }
  const { status } = ttrpc.Response.decode(bytes.subarray(10));
  return { streamId: bytes.readUInt32BE(4), code: status?.code ?? 0, message: status?.message ?? "" };
}
