import { dirname } from "node:path";
import { S_IFMT, S_IFREG } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Sys } from "../../kernel/kernel.ts";
import { type CopiedFile, copyFile } from "../../storage/copy-file.ts";
import { MAX_BUNDLE_BYTES } from "./upgrade.ts";

/** Owner and mode of an uploaded bundle, whatever the host sends. */
const PRIVATE = { mode: S_IFREG | 0o600, dirMode: 0o700, uid: 0xffff_ffff, gid: 0xffff_ffff };

/**
 * Writes a file that the host copies: below the shared root, or at the one path `upload`, which takes a bundle of the agent (a regular
 * file of at most a bundle's size, in a directory that no container sees). Throws one line.
 */
export function receiveFile(sys: Pick<Sys, "openat2" | "close">, file: CopiedFile, upload: string): void {
  if (file.path !== upload) {
    copyFile(sys, file);
    return;
  }
  const type = file.mode & S_IFMT;
  if ((type !== 0 && type !== S_IFREG) || file.fileSize > MAX_BUNDLE_BYTES) {
    const what = `copy file "${upload}"`;
    const rule = `only a bundle of the agent goes there, a regular file of up to ${MAX_BUNDLE_BYTES} bytes`;
    throw new AgentError("invalid-argument", `${what}: ${rule}`);
  }
  copyFile(sys, { ...file, ...PRIVATE }, dirname(upload));
}
