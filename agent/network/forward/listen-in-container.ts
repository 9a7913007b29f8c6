import { fchmodSync } from "node:fs";
import { basename, dirname } from "node:path";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { FileRoot, Served } from "../../kernel/files/contained-files.ts";
import { inDirectory } from "../../kernel/files/read-contained.ts";
import type { Handle } from "../../kernel/files/served-files.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { bindAside, removeSocket } from "./bind-aside.ts";
import { familyOf, type SocketKernel, type SocketSys } from "./connect-target.ts";
import { refusalOf } from "./refusal.ts";

/** Connections that wait while the client is slow or away. */
const BACKLOG = 64;
/** Longest name of a socket. */
const MAX_NAME = 80;

/** A listening socket that the caller owns. */
export interface ContainerListener {
  readonly fd: Fd;
  /** 0 for a unix socket. */
  readonly port: number;
  /** Removes what listening has created in the file system. */
  remove(): Promise<void>;
}

const nothing = async () => undefined;

/** Listens on an IP address and port of a network namespace. Throws Refusal. */
export function listenInet(sys: SocketSys, namespace: Fd, address: string, port: number): ContainerListener {
  const object = `${address.includes(":") ? `[${address}]` : address}:${port}`;
  let fd: Fd | undefined;
  try {
    fd = sys.socketIn(namespace, familyOf(address), "stream");
    sys.bindInet(fd, address, port);
    sys.listen(fd, BACKLOG);
    return { fd, port: sys.inetPort(fd), remove: nothing };
  } catch (error) {
    if (fd !== undefined) sys.close(fd);
    throw refusalOf(error, object);
  }
}

export interface UnixPlace {
  readonly root: FileRoot;
  readonly path: string;
  /** Owner of the socket file, as ids of the guest: only this user can connect. */
  readonly uid: number;
  readonly gid: number;
}

/** Listens on a path inside a root. Replaces the file of a socket that no process listens on. Throws Refusal. */
export async function listenUnix(
  { sys, contained }: SocketKernel,
  namespace: Fd,
  place: UnixPlace,
  signal: AbortSignal,
): Promise<ContainerListener> {
  const { root, path } = place;
  const name = basename(path);
  if (!path.startsWith("/") || path.endsWith("/") || [".", ".."].includes(name) || Buffer.byteLength(name) > MAX_NAME) {
    const line = `forward: ${JSON.stringify(path.slice(0, 120))} is no absolute path with a name of at most ${MAX_NAME} bytes`;
    throw new AgentError("invalid-argument", line);
  }
  const inside = <T>(calls: (files: Served, dir: Handle) => Promise<T>, until?: AbortSignal) =>
    contained.use(root, (files) => inDirectory(files, dirname(path), (dir) => calls(files, dir)), until);
  const fd = sys.socketIn(namespace, "unix", "stream");
  try {
    fchmodSync(fd, 0o600); // the mode that bind gives the file
    const probe = () => sys.socketIn(namespace, "unix", "stream");
    const file = await inside(async (files, dir) => {
      const bound = await bindAside(files, fd, dir, place);
      sys.listen(fd, BACKLOG);
      await bound.moveTo(Buffer.from(name), (taken) => isStale(sys, files, taken, probe));
      return bound.attributes;
    }, signal);
    const remove = () => inside((files, dir) => removeSocket(files, dir, Buffer.from(name), file)).catch(nothing);
    return { fd, port: 0, remove };
  } catch (error) {
    sys.close(fd);
    throw refusalOf(error, path);
  }
}

/** True for a socket that no process listens on, as a killed agent leaves one. */
async function isStale(sys: SocketSys, files: Served, file: Handle, open: () => Fd): Promise<boolean> {
  const probe = open();
  try {
    return await files.connect(probe, file).then(
      () => false,
      (error: unknown) => error instanceof SystemError && error.code === "ECONNREFUSED",
    );
  } finally {
    sys.close(probe);
  }
}
