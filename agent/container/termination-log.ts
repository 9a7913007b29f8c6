import { posix } from "node:path";
import { readContained } from "../kernel/contained-files.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Sys } from "../kernel/kernel.ts";
import { openPlain } from "../kernel/plain-path.ts";
import { cleanTarget, isBind } from "./mounts/mount-kind.ts";
import type { Spec } from "./spec.ts";

const ANNOTATION = "io.kubernetes.container.terminationMessagePath";
/** As much as a kubelet takes, from the end of the file. */
const MAX_BYTES = 4096;
/** It is not there, or no file that is read. */
const NONE = ["ENOENT", "ENOTDIR", "ENXIO", "ELOOP", "EINVAL", "ENOTSUP"];

type LogSys = Pick<Sys, "openInside" | "copyInside" | "read" | "dup" | "close">;

/**
 * What a container left in its file for a last message, which its annotations name; "" when there is none. It need not run
 * any more: the file is read where the guest has it. Its content, and links in its root, are the container's.
 */
export async function readTerminationLog(sys: LogSys, spec: Spec, signal?: AbortSignal): Promise<string> {
  const given = spec.annotations[ANNOTATION];
  if (given === undefined || !given.startsWith("/")) {
    throw new AgentError("invalid-argument", `termination log: the container has no annotation ${ANNOTATION}`);
  }
  const place = placeOf(spec, cleanTarget(given));
  if (place === undefined) return "";
  try {
    const root = await openPlain(sys, place.source);
    try {
      const bytes = await readContained(sys, root, place.below, { limit: MAX_BYTES, tail: true }, signal);
      const text = bytes.toString("utf8");
      return Buffer.byteLength(text) <= MAX_BYTES ? text : cut(text);
    } finally {
      sys.close(root);
    }
  } catch (error) {
    if (error instanceof SystemError && NONE.includes(error.code)) return "";
    throw error;
  }
}

/** Where the guest has the file: what is bound there, or above, or the root. Undefined on a mount that went with the container. */
function placeOf(spec: Spec, path: string): { readonly source: string; readonly below: string } | undefined {
  const above = spec.mounts
    .map((mount) => ({ mount, target: cleanTarget(mount.destination) }))
    .filter(({ target }) => target !== "/" && (path === target || path.startsWith(`${target}/`)))
    .toSorted((a, b) => a.target.length - b.target.length)
    .at(-1);
  if (above !== undefined && !isBind(above.mount)) return undefined;
  const { mount, target } = above ?? { mount: { source: spec.root.path }, target: "/" };
  return { source: mount.source, below: posix.relative(target, path) };
}

/** Bytes that are no UTF-8 have become longer. */
function cut(text: string): string {
  const bytes = Buffer.from(text).subarray(-MAX_BYTES);
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return bytes.toString("utf8", start);
}
