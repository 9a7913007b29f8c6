import type { Duplex } from "node:stream";

/** Bytes that may wait for an agent to read them. A client's own windows are far smaller. */
const MAX_UNREAD = 1 << 20;

/** Writes a frame. An agent that makes us answer and reads nothing loses its connection, rather than filling our memory. */
export function writeBounded(socket: Duplex, frame: Uint8Array): void {
  if (socket.destroyed) return;
  if (socket.writableLength > MAX_UNREAD) socket.destroy(new Error("the agent doesn't read what it asks for"));
  else socket.write(frame);
}
