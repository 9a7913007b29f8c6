import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { ImageError } from "../../../image/image-error.ts";
import { removeTree } from "../../../lib/remove-tree.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import type { LoadedImage } from "../../engine/image/store/load-images.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import { sizeText } from "../../size-text.ts";
import { CliError } from "../cli-error.ts";
import { CopyLine } from "../output/copy-line.ts";
import { print } from "../output/print.ts";

interface LoadFlags {
  readonly input?: string;
  readonly quiet?: true;
}

const HELP = `
The archive is one of docker save, podman save or guestctl save, or an OCI layout, plain or compressed with gzip or zstd. Images
for other processors are left out.

  guestctl load -i alpine.tar
  docker save alpine:3.20 | guestctl load`;

/** Adds `guestctl load`. */
export function addLoad(program: Command): void {
  program
    .command("load")
    .description("Load the images of a tar archive into the local store, from stdin by default.")
    .option("-i, --input <file>", "read this file, or an OCI layout in this directory")
    .option("-q, --quiet", "print only the full names")
    .addHelpText("after", HELP)
    .action((flags: LoadFlags) => load(flags));
}

async function load({ input, quiet }: LoadFlags): Promise<void> {
  if (input === undefined && process.stdin.isTTY) throw new CliError("load: stdin is a terminal; add -i FILE");
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { loadImages } = await import("../../engine/image/store/load-images.ts");
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  await using undo = new AsyncDisposableStack();
  const path = input ?? (await keepStdin(undo, signal));
  using line = new CopyLine("image");
  const onProgress = (bytes: number, total: number) => line.show(bytes, 1, total);
  const loaded = await loadImages(new ImageStore(), path, { signal, onProgress });
  line[Symbol.dispose]();
  await print(loaded.map((each) => (quiet ? `${each.name ?? each.image.digest}\n` : describe(each))).join(""));
}

/** Copies stdin to a file, since an archive is read from its middle. It may be as long as all images together. */
async function keepStdin(undo: AsyncDisposableStack, signal: AbortSignal): Promise<string> {
  const { storeLimit } = await import("../../engine/image/store/make-room.ts");
  const limit = storeLimit();
  const folder = makeTemporaryFolder("guestd-load-");
  undo.defer(() => removeTree(folder));
  const path = join(folder, "stdin");
  const bounded = async function* () {
    let bytes = 0;
    for await (const chunk of process.stdin) {
      bytes += chunk.length;
      if (bytes > limit) throw new ImageError(`load: stdin has more than the ${limit} bytes of GUESTCTL_IMAGE_LIMIT`);
      yield chunk;
    }
  };
  await pipeline(bounded, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal });
  return path;
}

function describe({ image, name, isKnown }: LoadedImage): string {
  const how = isKnown ? "up to date" : `loaded, ${sizeText(image.size)}`;
  return `${name ?? "image without a name"}: ${how}, ${image.digest}\n`;
}
