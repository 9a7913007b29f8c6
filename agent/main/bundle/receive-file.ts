import { dirname } from "node:path";
import { S_IFMT, S_IFREG } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import type { ContainedFiles } from "../../kernel/files/contained-files.ts";
import { type CopiedFile, copyFile } from "../../storage/copy-file.ts";
import { MAX_BUNDLE_BYTES } from "./upgrade.ts";

/** Owner and mode of an uploaded bundle, whatever the host sends. */
const PRIVATE = { mode: S_IFREG | 0o600, dirMode: 0o700, uid: 0xffff_ffff, gid: 0xffff_ffff };

/**
 * Writes a file that the host copies: below the shared root, or at the one path `upload`, which takes a bundle of the agent (a regular
 * file of at most a bundle's size, in a directory that no container sees). Rejects with one line.
 */
export async function receiveFile(contained: ContainedFiles, file: CopiedFile, upload: string): Promise<void> {
  if (file.path !== upload) return await copyFile(contained, file);
  const type = file.mode & S_IFMT;
  if ((type !== 0 && type !== S_IFREG) || file.fileSize > MAX_BUNDLE_BYTES) {
    const what = `copy file "${upload}"`;
    const rule = `only a bundle of the agent goes there, a regular file of up to ${MAX_BUNDLE_BYTES} bytes`;
    throw new AgentError("invalid-argument", `${what}: ${rule}`);
  }
  await copyFile(contained, { ...file, ...PRIVATE }, dirname(upload));
}
