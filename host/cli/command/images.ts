import type { Command } from "commander";
import type { StoredImage } from "../../engine/image/store/image-store.ts";
import { sizeText } from "../../size-text.ts";
import {
  type FormatFlags,
  formatLines,
  isJson,
  jsonText,
  type OutputFlags,
  withFormat,
  withOutput,
} from "../flags/output-flags.ts";
import { print } from "../output/print.ts";
import { ageText, textTable } from "../output/text-table.ts";

interface ImagesFlags extends OutputFlags, FormatFlags {
  readonly quiet?: true;
  readonly trunc: boolean;
}

const HEADER = ["REPOSITORY", "TAG", "IMAGE ID", "PULLED", "SIZE", "USED BY"];
const SHORT_ID = 12;

/** Adds `guestctl images`. */
export function addImages(program: Command): void {
  const command = program
    .command("images")
    .description("List the images in the local store, the last used first: all, or those of one repository or name.")
    .argument("[name]")
    .option("-q, --quiet", "print only ids")
    .option("--no-trunc", "print whole ids");
  withFormat(withOutput(command), "{{.Digest}} {{.Size}}").action((name: string | undefined, flags: ImagesFlags) =>
    images(name, flags),
  );
}

async function images(name: string | undefined, flags: ImagesFlags): Promise<void> {
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { fullName, isMatch, splitName } = await import("../../engine/image/store/image-name.ts");
  if (name !== undefined) fullName(name);
  const isListed = (full: string) => name === undefined || isMatch(full, name);
  const all = new ImageStore().list().filter(({ names }) => name === undefined || names.some(isListed));
  const records = all.map(({ path: _path, ...image }) => image);
  if (flags.format !== undefined) return print(formatLines(records, flags.format));
  if (isJson(flags)) return print(jsonText(records));
  const idOf = ({ digest }: StoredImage) => (flags.trunc ? digest.slice(7, 7 + SHORT_ID) : digest);
  if (flags.quiet) return print(textTable(all.map((image) => [idOf(image)])));
  const rows = all.flatMap((image) => {
    const shown = image.names.filter(isListed).map(splitName);
    const names = shown.length === 0 ? [{ repository: "<none>", tag: "<none>" }] : shown;
    return names.map(({ repository, tag }) => [
      ...[repository, tag, idOf(image), ageText(image.pulledAt), sizeText(image.size)],
      image.containers.join(", "),
    ]);
  });
  await print(textTable([HEADER, ...rows]));
}
