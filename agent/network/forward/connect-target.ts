import { stat } from "node:fs/promises";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { callContained } from "../../kernel/contained-files.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { RealSys } from "../../kernel/sys/sys.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { refusalOf, refuse } from "./refusal.ts";

/** Pause before connecting again to a listener whose backlog is full. */
const RETRY_MS = 20;
/** Addresses that "localhost" stands for, in the order of attempts. */
const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];
const HOST_NAME = /^[A-Za-z][\w.-]{0,252}$/;

export type SocketSys = Pick<
  RealSys,
  "socketIn" | "connectInet" | "connectUnix" | "bindInet" | "bindUnix" | "inetPort" | "listen" | "dup" | "close"
>;

/** Returns the addresses that a host means; undefined for a name other than localhost. Throws for text that is neither. */
export function addressesOf(host: string): readonly string[] | undefined {
  if (host === "" || host === "localhost") return LOOPBACK;
  if (isIP(host) !== 0 && !host.includes("%")) return [host];
  if (HOST_NAME.test(host)) return undefined;
  const line = `forward: ${JSON.stringify(host.slice(0, 80))} is no IP address and no host name`;
  throw new AgentError("invalid-argument", line);
}

export const familyOf = (address: string) => (isIP(address) === 6 ? "inet6" : "inet");

/**
 * Connects from inside a network namespace (a file or a pidfd) to the first address that accepts. Throws Refusal. The caller owns
 * the socket.
 */
export async function connectInet(
  sys: SocketSys,
  namespace: Fd,
  target: { readonly addresses: readonly string[]; readonly port: number; readonly type: "stream" | "datagram" },
  signal: AbortSignal,
): Promise<Fd> {
  const { addresses, port, type } = target;
  let first: unknown;
  for (const address of addresses) {
    const object = `${address.includes(":") ? `[${address}]` : address}:${port}`;
    try {
      return await connectOne(sys, sys.socketIn(namespace, familyOf(address), type), (fd) =>
        sys.connectInet(fd, address, port, signal),
      );
    } catch (error) {
      if (signal.aborted) throw refuse("timeout", object, error);
      first ??= refusalOf(error, object);
    }
  }
  throw first;
}

/** Connects to the socket file of an O_PATH descriptor, or to an abstract `@name` of a network namespace. Throws Refusal. */
export async function connectUnix(
  sys: SocketSys,
  namespace: Fd,
  { path, file }: { readonly path: string; readonly file?: Fd },
  signal: AbortSignal,
): Promise<Fd> {
  const reach = <T>(call: (link: string) => Promise<T>): Promise<T> =>
    file === undefined ? call(path) : waitUntil(callContained(sys, file, path, call), signal);
  try {
    if (file !== undefined && !(await reach(stat)).isSocket()) throw refuse("not-a-socket", path);
    return await connectOne(sys, sys.socketIn(namespace, "unix", "stream"), async (fd) => {
      while (!(await reach((link) => sys.connectUnix(fd, link, path)))) await sleep(RETRY_MS, undefined, { signal });
    });
  } catch (error) {
    throw signal.aborted ? refuse("timeout", path, error) : refusalOf(error, path);
  }
}

async function connectOne(sys: SocketSys, fd: Fd, connect: (fd: Fd) => Promise<void>): Promise<Fd> {
  try {
    await connect(fd);
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}
