import { commandTexts } from "../host/cli/manual/command-text.ts";
import { manFile, manPage } from "../host/cli/manual/man-page.ts";
import { createProgram } from "../host/cli/program.ts";
import { type PackageFile, textFile } from "./package-file.ts";

/** Folder of the manual pages in the npm package. */
export const MAN = "man";

/** Returns the manual page of each guestctl command. */
export async function manualPages(version: string): Promise<readonly PackageFile[]> {
  const texts = commandTexts(await createProgram());
  return texts.map((text) => textFile(`${MAN}/${manFile(text)}`, manPage(text, texts, version)));
}
