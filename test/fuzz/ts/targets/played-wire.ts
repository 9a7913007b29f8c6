import { HEADER_BYTES } from "../../../../agent/kernel/journal/journal-layout.ts";
import type { WireSys } from "../../../../agent/transport/wire.ts";

export interface PlayedWire {
  readonly sys: WireSys;
  /** Resolves when all bytes are read or the descriptor is no longer watched. */
  readonly done: Promise<void>;
  readonly written: Buffer[];
  /** Number of times that the descriptor was closed. */
  closed: number;
}

/** Creates a fake descriptor that returns `size` bytes from each read and accepts four times as many in each write. */
export function playedWire(bytes: Buffer, size: number): PlayedWire {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let [at, watched] = [0, 0];
  const read = (_: number, into: Uint8Array) => {
    const piece = bytes.subarray(at, at + Math.min(size, into.length));
    if (piece.length === 0) return -1;
    into.set(piece);
    at += piece.length;
    return piece.length;
  };
  const write = (_: number, from: Uint8Array) => {
    const count = Math.min(from.length, size * 4);
    wire.written.push(Buffer.from(from.subarray(0, count)));
    return count;
  };
  const sys: WireSys = {
    read,
    write,
    receive: (fd, region) => read(fd, region.subarray(HEADER_BYTES)),
    send: (fd, region, length) => write(fd, region.subarray(HEADER_BYTES, HEADER_BYTES + length)),
    poll: async () => undefined,
    close: () => void wire.closed++,
    setNonBlocking: () => undefined,
    endConnection: () => undefined,
    watch(_, onReady) {
      const own = ++watched;
      const next = () => {
        if (watched !== own || wire.closed > 0 || at >= bytes.length) return resolve();
        onReady();
        queueMicrotask(next);
      };
      queueMicrotask(next);
      return () => {
        if (watched === own) watched++;
      };
    },
  };
  const wire: PlayedWire = { done, closed: 0, written: [], sys };
  return wire;
}
