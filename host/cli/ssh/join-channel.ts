import type { Duplex } from "node:stream";
import type { ServerChannel } from "ssh2";
import { oneLine } from "../../operation-error.ts";

/** ssh2's channel, with the method that ends one direction; `end` closes both. */
type HalfOpenChannel = ServerChannel & { eof(): void };

/** Joins a channel to a forwarded connection until both directions have ended, or `closed` is aborted. */
export function joinChannel(opened: ServerChannel, stream: Duplex, closed: AbortSignal): void {
  const channel = opened as HalfOpenChannel;
  const destroy = () => void stream.destroy();
  let [isRead, isWritten] = [false, false];
  const end = () => {
    if (isRead && isWritten) channel.end();
    else if (isRead) channel.eof();
  };
  stream.on("error", (error: Error) => {
    reportForward(error);
    channel.destroy();
  });
  stream.once("end", () => {
    isRead = true;
    end();
  });
  channel.on("error", destroy);
  channel.once("end", () => {
    isWritten = true;
    stream.end();
    end();
  });
  channel.once("close", () => {
    closed.removeEventListener("abort", destroy);
    destroy();
  });
  closed.addEventListener("abort", destroy, { once: true });
  channel.pipe(stream, { end: false });
  stream.pipe(channel, { end: false });
}

/** Prints why a connection was refused or lost; ssh passes it to its user. */
export function reportForward(error: unknown): void {
  process.stderr.write(`guestctl: ${oneLine(error)}\n`);
}
