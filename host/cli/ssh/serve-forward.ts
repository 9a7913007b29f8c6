import { isIP } from "node:net";
import type { ServerChannel } from "ssh2";
import { type ForwardTarget, openForward } from "../../client/streams/forward.ts";
import { oneLine } from "../cli-error.ts";
import type { SshTarget } from "./ssh-target.ts";

/** ssh2's channel, with the method that ends one direction; `end` closes both. */
type HalfOpenChannel = ServerChannel & { eof(): void };

export type ForwardPlace = Pick<ForwardTarget, "host" | "port" | "path">;

/**
 * Connects a forwarded connection of ssh (-L, -D) to its target in the container. A refusal ends this connection alone, and
 * is one line.
 */
export async function serveForward(
  accept: () => ServerChannel,
  reject: () => void,
  target: SshTarget,
  place: () => ForwardPlace,
  closed: AbortSignal,
): Promise<void> {
  try {
    const at = { ...place(), container: target.container };
    const stream = await openForward(target.address, at, { signal: closed });
    const channel = accept() as HalfOpenChannel;
    const isDone = { stream: false, channel: false };
    const end = (side: "stream" | "channel") => {
      isDone[side] = true;
      if (isDone.stream && isDone.channel) channel.end();
      else if (side === "stream") channel.eof();
      if (side === "channel") stream.end();
    };
    stream.on("error", (error: Error) => {
      report(error);
      channel.destroy();
    });
    channel.once("close", () => stream.destroy());
    closed.addEventListener("abort", () => stream.destroy(), { once: true });
    channel.on("error", () => stream.destroy());
    channel.pipe(stream, { end: false });
    channel.once("end", () => end("channel"));
    stream.pipe(channel, { end: false });
    stream.once("end", () => end("stream"));
  } catch (error) {
    if (!closed.aborted) report(error);
    reject();
  }
}

/** Returns the target of ssh's host and port. Throws unless the host is an address or localhost. */
export function tcpPlace(host: string, port: number): ForwardPlace {
  if (host === "localhost" || host === "") return { port };
  if (isIP(host) !== 0) return { host, port };
  throw new Error(
    `forward to ${host}:${port}: names can't be resolved in the container; use an IP address or localhost`,
  );
}

function report(error: unknown): void {
  process.stderr.write(`guestctl: ${oneLine(error)}\n`);
}
