import type { Socket } from "node:net";

/** Bytes that a client's connection begins with, before its SETTINGS. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** Flags. */
export const END_STREAM = 1;
export const END_HEADERS = 4;

/** Returns an HTTP/2 frame, valid or not. */
export function http2(type: number, flags: number, id: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, body]);
}

/** Returns a literal HPACK header of up to 126 bytes that enters no table. */
export function header(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
}

/** Joins the bytes of `count` calls. */
export function many(count: number, make: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
}

/** Writes bytes again and again while the other end reads them. */
export function flood(socket: Socket, make: () => Buffer): void {
  while (!socket.destroyed) {
    if (!socket.write(make())) {
      socket.once("drain", () => flood(socket, make));
      return;
    }
  }
}
