import { fchmodSync } from "node:fs";
import { chown, stat, unlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { callContained, openAnyContained } from "../../kernel/contained-files.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { familyOf, type SocketSys } from "./connect-target.ts";
import { refusalOf, refuse } from "./refusal.ts";

/** Connections that wait while the client is slow or away. */
const BACKLOG = 64;
/** Longest name that fits into a socket's address behind /proc/self/fd/…/ */
const MAX_NAME = 80;

export type ListenSys = SocketSys & Pick<Sys, "openInside" | "copyInside" | "read">;

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
  /** The container's root (O_PATH). */
  readonly root: Fd;
  readonly path: string;
  /** Owner of the socket file, as ids of the guest: only this user can connect. */
  readonly uid: number;
  readonly gid: number;
}

/** Listens on a path inside a container's root. Replaces the file of a socket that no process listens on. Throws Refusal. */
export async function listenUnix(
  sys: ListenSys,
  namespace: Fd,
  { root, path, uid, gid }: UnixPlace,
  signal: AbortSignal,
): Promise<ContainerListener> {
  const name = basename(path);
  if (!path.startsWith("/") || path.endsWith("/") || [".", ".."].includes(name) || Buffer.byteLength(name) > MAX_NAME) {
    const line = `forward: ${JSON.stringify(path.slice(0, 120))} is no absolute path with a name of at most ${MAX_NAME} bytes`;
    throw new AgentError("invalid-argument", line);
  }
  let directory: Fd;
  try {
    directory = await openAnyContained(sys, root, dirname(path), signal);
  } catch (error) {
    throw refusalOf(error, path);
  }
  const inside = <T>(call: (file: string) => Promise<T>) =>
    callContained(sys, directory, path, (link) => call(`${link}/${name}`));
  const fd = sys.socketIn(namespace, "unix", "stream");
  try {
    fchmodSync(fd, 0o600); // the mode that bind gives the file
    const bind = () => inside((file) => sys.bindUnix(fd, file, path));
    await bind().catch(async (error: unknown) => {
      const isTaken = error instanceof SystemError && error.code === "EADDRINUSE";
      if (!isTaken || !(await isStale(sys, namespace, root, path, signal))) throw error;
      await inside(unlink);
      await bind();
    });
    await own(sys, root, path, uid, gid, signal);
    sys.listen(fd, BACKLOG);
  } catch (error) {
    sys.close(fd);
    sys.close(directory);
    throw refusalOf(error, path);
  }
  const remove = async () => {
    await inside(unlink).catch(() => undefined);
    sys.close(directory);
  };
  return { fd, port: 0, remove };
}

/** Gives the socket file to its user. The container may have replaced the file meanwhile: only by a socket in its own root. */
async function own(
  sys: ListenSys,
  root: Fd,
  path: string,
  uid: number,
  gid: number,
  signal: AbortSignal,
): Promise<void> {
  const file = await openAnyContained(sys, root, path, signal);
  try {
    await callContained(sys, file, path, async (link) => {
      if (!(await stat(link)).isSocket()) throw refuse("not-a-socket", path);
      await chown(link, uid, gid);
    });
  } finally {
    sys.close(file);
  }
}

/** True if the path is a socket that no process listens on, as a killed agent leaves one. Links stay inside the root. */
async function isStale(sys: ListenSys, namespace: Fd, root: Fd, path: string, signal: AbortSignal): Promise<boolean> {
  const file = await openAnyContained(sys, root, path, signal);
  const probe = sys.socketIn(namespace, "unix", "stream");
  try {
    return await callContained(sys, file, path, async (link) => {
      if (!(await stat(link)).isSocket()) return false;
      return await sys.connectUnix(probe, link, path).then(
        () => false,
        (error: unknown) => error instanceof SystemError && error.code === "ECONNREFUSED",
      );
    });
  } finally {
    sys.close(probe);
    sys.close(file);
  }
}
