import { posix } from "node:path";
import { O_PATH } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import { type ContainedFiles, guestRoot } from "../kernel/files/contained-files.ts";
import { readContained } from "../kernel/files/read-contained.ts";
import { PLAIN, ROOT } from "../kernel/files/served-files.ts";
import { plainPath } from "../kernel/plain-path.ts";
import { cleanTarget, isBind } from "./mounts/mount-kind.ts";
import type { Spec } from "./spec.ts";

const ANNOTATION = "io.kubernetes.container.terminationMessagePath";
/** Bytes that a kubelet reads, from the end of the file. */
const MAX_BYTES = 4096;
/** Error codes of a file that doesn't exist or isn't a regular one. */
const NONE = ["ENOENT", "ENOTDIR", "ENXIO", "ELOOP", "EINVAL", "ENOTSUP"];

/**
 * Reads a container's termination message from the file that its annotation names; resolves with "" if there is none.
 * The container may have ended: the file is read through the guest's mounts. Its content, and links in the rootfs,
 * are untrusted.
 */
export async function readTerminationLog(
  contained: ContainedFiles,
  { id, spec }: { readonly id: string; readonly spec: Spec },
  signal?: AbortSignal,
): Promise<string> {
  const given = spec.annotations[ANNOTATION];
  if (given === undefined || !given.startsWith("/")) {
    throw new AgentError("invalid-argument", `termination log: the container has no annotation ${ANNOTATION}`);
  }
  const place = locate(spec, cleanTarget(given));
  if (place === undefined) return "";
  const { source, below } = place;
  const part = { limit: MAX_BYTES, tail: true };
  try {
    const directory = plainPath(source);
    const bytes = await contained.use(
      guestRoot(id),
      (files) =>
        files.using(files.open(ROOT, directory, O_PATH, PLAIN), (dir) => readContained(files, below, part, { dir })),
      signal,
    );
    const text = bytes.toString("utf8");
    return Buffer.byteLength(text) <= MAX_BYTES ? text : keepEnd(text);
  } catch (error) {
    if (error instanceof SystemError && NONE.includes(error.code)) return "";
    throw error;
  }
}

/**
 * Locates the file in the guest: in the source of a bind mount on it or above it, otherwise in the rootfs. Returns
 * undefined if it was on a mount that disappeared with the container.
 */
function locate(spec: Spec, path: string): { readonly source: string; readonly below: string } | undefined {
  const above = spec.mounts
    .map((mount) => ({ mount, target: cleanTarget(mount.destination) }))
    .filter(({ target }) => target !== "/" && (path === target || path.startsWith(`${target}/`)))
    .toSorted((a, b) => a.target.length - b.target.length)
    .at(-1);
  if (above !== undefined && !isBind(above.mount)) return undefined;
  const { mount, target } = above ?? { mount: { source: spec.root.path }, target: "/" };
  return { source: mount.source, below: posix.relative(target, path) };
}

/** Keeps the last MAX_BYTES, from the start of a character: invalid UTF-8 has become longer by decoding. */
function keepEnd(text: string): string {
  const bytes = Buffer.from(text).subarray(-MAX_BYTES);
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return bytes.toString("utf8", start);
}
