import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** The host's end of a stream for stdio. */
export interface PassedSocket {
  readonly port: number;
  /** Connects a stream that was opened with `later`. */
  connect(): Promise<void>;
  write(text: string): Promise<void>;
  end(): void;
  hangUp(): void;
  /** Reads to the end; at most `bytesPerMs`. */
  text(options?: { readonly bytesPerMs?: number }): Promise<string>;
  /** Reads until the text matches. The text so far is kept for `text`. */
  until(pattern: RegExp): Promise<void>;
}

export type OpenStream = (options?: { readonly later?: true }) => Promise<PassedSocket>;

/** Opens a host's stream through `openStream`. `port` is the host's port, by which the agent knows the stream. */
export async function passedSocket(
  port: number,
  openStream: () => Promise<Duplex>,
  { later = false } = {},
): Promise<PassedSocket> {
  let connected: Duplex | undefined;
  let seen = "";
  const connect = async () => {
    connected = await openStream();
    connected.on("error", () => undefined);
  };
  if (!later) await connect();
  const socket = () => {
    if (connected === undefined) throw new Error("the stream is not connected");
    return connected;
  };
  return {
    port,
    connect,
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
