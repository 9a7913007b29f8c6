import { HEADER_BYTES } from "../../kernel/journal/journal-layout.ts";
import type { WireSys } from "../wire.ts";

/**
 * System calls of connections for unit tests. A test gives what a connection receives and how much it takes; a descriptor is
 * any number.
 */
export interface WireDouble extends WireSys {
  /** Calls, in order: "watch 7", "send 7 text". */
  readonly calls: string[];
  /** Plays the arrival of bytes, or an error that receiving throws. Empty bytes are the end of file. */
  arrives(bytes: string | Uint8Array | Error): void;
  /** Plays a failure of the watch. */
  lose(error: unknown): void;
  /** Most bytes that the next sends take, in order; then all. An error is thrown. */
  readonly room: (number | Error)[];
  /** Ends the wait of `poll`. */
  readonly polled: PromiseWithResolvers<void>[];
}

export function createWireDouble(parts: Partial<WireSys> = {}): WireDouble {
  const calls: string[] = [];
  const room: (number | Error)[] = [];
  const polled: PromiseWithResolvers<void>[] = [];
  let arrived: Uint8Array | Error = Buffer.alloc(0);
  let ready = () => {};
  let lost = (_error: unknown) => {};
  return {
    calls,
    room,
    polled,
    arrives(bytes) {
      arrived = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
      ready();
    },
    lose: (error) => lost(error),
    setNonBlocking: () => undefined,
    watch(fd, onReady, onLost) {
      calls.push(`watch ${fd}`);
      [ready, lost] = [onReady, onLost];
      return () => {
        calls.push(`unwatch ${fd}`);
        ready = () => {};
      };
    },
    receive(_fd, region) {
      if (arrived instanceof Error) throw arrived;
      region.set(arrived, HEADER_BYTES);
      return arrived.length;
    },
    send(fd, region, length) {
      const most = room.shift() ?? length;
      if (most instanceof Error) throw most;
      const count = Math.min(most, length);
      calls.push(`send ${fd} ${Buffer.from(region.subarray(HEADER_BYTES, HEADER_BYTES + count)).toString("latin1")}`);
      return count;
    },
    poll(fd) {
      calls.push(`poll ${fd}`);
      const wait = Promise.withResolvers<void>();
      polled.push(wait);
      return wait.promise;
    },
    close: (fd) => void calls.push(`close ${fd}`),
    endConnection: (fd) => void calls.push(`end ${fd}`),
    read: () => -1,
    write: (_fd, bytes) => bytes.length,
    ...parts,
  };
}
