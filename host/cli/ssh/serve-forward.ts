import { isIP } from "node:net";
import type { ServerChannel } from "ssh2";
import { type ForwardTarget, openForward } from "../../client/streams/forward.ts";
import { joinChannel, reportForward } from "./join-channel.ts";
import type { SshTarget } from "./ssh-target.ts";

export type ForwardPlace = Pick<ForwardTarget, "host" | "port" | "path">;

/**
 * Connects a forwarded connection of ssh (-L, -D, -W) to its target in the container. A refusal ends this connection alone,
 * and is one line.
 */
export async function serveForward(
  accept: () => ServerChannel | undefined,
  reject: () => void,
  target: SshTarget,
  place: () => ForwardPlace,
  closed: AbortSignal,
): Promise<void> {
  try {
    const at = { ...place(), container: target.container };
    const stream = await openForward(target.address, at, { signal: closed });
    const channel = accept();
    if (channel === undefined) stream.destroy();
    else joinChannel(channel, stream, closed);
  } catch (error) {
    if (!closed.aborted) reportForward(error);
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
