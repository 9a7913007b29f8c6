import { constants, gzipSync } from "node:zlib";
import { commandTexts } from "../host/cli/manual/command-text.ts";
import { manFile, manPage } from "../host/cli/manual/man-page.ts";
import { createProgram } from "../host/cli/program.ts";
import type { PackageFile } from "./package-file.ts";

/** Folder of the manual pages in the npm package. */
export const MAN = "man";

/** Returns the manual page of each guestctl command, compressed as Debian's policy (12.1) has it, with the time 0. */
export async function manualPages(version: string): Promise<readonly PackageFile[]> {
  const texts = commandTexts(await createProgram());
  const level = constants.Z_BEST_COMPRESSION;
  return texts.map((text) => ({
    path: `${MAN}/${manFile(text)}.gz`,
    content: gzipSync(manPage(text, texts, version), { level }),
  }));
}
