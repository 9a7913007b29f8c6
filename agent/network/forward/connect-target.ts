import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { O_PATH, S_IFMT, S_IFSOCK } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { ContainedFiles, FileRoot, Served } from "../../kernel/files/contained-files.ts";
import { ROOT } from "../../kernel/files/served-files.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { RealSys } from "../../kernel/sys/sys.ts";
import { refusalOf, refuse } from "./refusal.ts";

/** Pause before connecting again to a listener whose backlog is full. */
const RETRY_MS = 20;
/** Addresses that "localhost" stands for, in the order of attempts. */
const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];
const HOST_NAME = /^[A-Za-z][\w.-]{0,252}$/;

export type SocketSys = Pick<
  RealSys,
  "socketIn" | "connectInet" | "connectUnix" | "bindInet" | "inetPort" | "listen" | "close"
>;

export interface SocketKernel {
  readonly sys: SocketSys;
  readonly contained: ContainedFiles;
}

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

/** Connects to an abstract `@name` of a network namespace. Throws Refusal. */
export function connectAbstract(sys: SocketSys, namespace: Fd, name: string, signal: AbortSignal): Promise<Fd> {
  return refusing(name, signal, () =>
    connectOne(sys, sys.socketIn(namespace, "unix", "stream"), async (fd) => {
      while (!(await sys.connectUnix(fd, name, name))) await sleep(RETRY_MS, undefined, { signal });
    }),
  );
}

/** Connects to a socket file below a root; the socket belongs to the network namespace. Throws Refusal. */
export function connectUnix(
  { sys, contained }: SocketKernel,
  namespace: Fd,
  { root, path }: { readonly root: FileRoot; readonly path: string },
  signal: AbortSignal,
): Promise<Fd> {
  return refusing(path, signal, () =>
    connectOne(sys, sys.socketIn(namespace, "unix", "stream"), async (fd) => {
      while (!(await contained.use(root, (files) => connectOnce(files, fd, path), signal))) {
        await sleep(RETRY_MS, undefined, { signal });
      }
    }),
  );
}

/** Resolves with false if the listener's backlog is full. */
function connectOnce(files: Served, socket: Fd, path: string): Promise<boolean> {
  return files.using(files.open(ROOT, path, O_PATH), async (file, { mode }) => {
    if ((Number(mode) & S_IFMT) !== S_IFSOCK) throw refuse("not-a-socket", path);
    try {
      await files.connect(socket, file);
      return true;
    } catch (error) {
      if (error instanceof SystemError && error.code === "EAGAIN") return false;
      throw error;
    }
  });
}

async function refusing<T>(object: string, signal: AbortSignal, connect: () => Promise<T>): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    throw signal.aborted ? refuse("timeout", object, error) : refusalOf(error, object);
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
