import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { posix } from "node:path";
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFMT, S_IFREG } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";
import { cleanTarget, isBind } from "./mounts/mount-kind.ts";
import type { Spec } from "./spec.ts";

const ANNOTATION = "io.kubernetes.container.terminationMessagePath";
/** As much as a kubelet takes, from the end of the file. */
const MAX_BYTES = 4096;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * What a container left in its file for a last message, which its annotations name; "" when there is none. It need not run
 * any more: the file is read where the guest has it. Its content, and links in its root, are the container's.
 */
export function readTerminationLog(sys: Pick<Sys, "openat2">, spec: Spec): string {
  const given = spec.annotations[ANNOTATION];
  if (given === undefined || !given.startsWith("/")) {
    throw new AgentError("invalid-argument", `termination log: the container has no annotation ${ANNOTATION}`);
  }
  let fd: Fd | undefined;
  try {
    fd = openInGuest(sys, spec, cleanTarget(given));
    return fd === undefined ? "" : readEnd(fd);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ENXIO", "ELOOP"].includes(codeOf(error) ?? "")) return "";
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Undefined when it was on a mount that ended with the container. */
function openInGuest(sys: Pick<Sys, "openat2">, spec: Spec, path: string): Fd | undefined {
  const above = spec.mounts
    .map((mount) => ({ mount, target: cleanTarget(mount.destination) }))
    .filter(({ target }) => target !== "/" && (path === target || path.startsWith(`${target}/`)))
    .toSorted((a, b) => a.target.length - b.target.length)
    .at(-1);
  if (above !== undefined && !isBind(above.mount)) return undefined;
  const { mount, target } = above ?? { mount: { source: spec.root.path }, target: "/" };
  if (path === target) return openSync(mount.source, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  const root = openSync(mount.source, O_PATH | O_DIRECTORY);
  try {
    const below = posix.relative(target, path);
    return sys.openat2(root, below, O_RDONLY | O_NONBLOCK, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  } finally {
    closeSync(root);
  }
}

/** Of a regular file; of anything else nothing. Never more than the bound, in UTF-8, whatever bytes are in there. */
function readEnd(fd: Fd): string {
  const { mode, size } = fstatSync(fd);
  if ((mode & S_IFMT) !== S_IFREG) return "";
  const bytes = Buffer.alloc(MAX_BYTES);
  const length = readSync(fd, bytes, 0, MAX_BYTES, Math.max(0, size - MAX_BYTES));
  const text = bytes.toString("utf8", 0, length);
  return Buffer.byteLength(text) <= MAX_BYTES ? text : cut(text);
}

/** Bytes that are no UTF-8 have become longer. */
function cut(text: string): string {
  const bytes = Buffer.from(text).subarray(-MAX_BYTES);
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return bytes.toString("utf8", start);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof SystemError ? error.code : (error as NodeJS.ErrnoException).code;
}
