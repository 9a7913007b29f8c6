import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** The host's side of a stream for stdio. */
export interface PassedSocket {
  readonly port: number;
  /** Connects one that was opened to come later. */
  come(): Promise<void>;
  write(text: string): Promise<void>;
  end(): void;
  hangUp(): void;
  /** All of it, to its end; not faster than so many bytes. */
  text(options?: { readonly bytesPerMs?: number }): Promise<string>;
  /** What has come so far is kept for `text`. */
  until(pattern: RegExp): Promise<void>;
}

export type OpenStream = (options?: { readonly later?: true }) => Promise<PassedSocket>;

/** `connect` gives the stream, from whose side `port` is the other one. */
export async function passedSocket(
  port: number,
  connect: () => Promise<Duplex>,
  { later = false } = {},
): Promise<PassedSocket> {
  let connected: Duplex | undefined;
  let seen = "";
  const come = async () => {
    connected = await connect();
    connected.on("error", () => undefined);
  };
  if (!later) await come();
  const socket = () => {
    if (connected === undefined) throw new Error("the stream has not come");
    return connected;
  };
  return {
    port,
    come,
    async write(text) {
      if (!socket().write(text)) await once(socket(), "drain");
    },
    end: () => void socket().end(),
    hangUp: () => void socket().destroy(),
    async text({ bytesPerMs = Number.POSITIVE_INFINITY } = {}) {
      for await (const data of socket()) {
        seen += String(data);
        if (bytesPerMs !== Number.POSITIVE_INFINITY) await sleep(String(data).length / bytesPerMs);
      }
      return seen;
    },
    async until(pattern) {
      while (!pattern.test(seen)) {
        const data = socket().read() as Buffer | null;
        if (data === null) await once(socket(), "readable");
        else seen += data.toString();
      }
    },
  };
}
