import type { Command } from "commander";
import type { SavedImage } from "../../engine/image/store/save-images.ts";
import { CliError } from "../cli-error.ts";
import { writeArchive } from "../output/write-archive.ts";

interface SaveFlags {
  readonly output?: string;
}

const HELP = `
IMAGE is a name, or the beginning of an id. The archive is an OCI layout with the manifest.json of docker save: docker load,
podman load, skopeo and guestctl load and run read it.

  guestctl save -o alpine.tar alpine:3.20
  guestctl save alpine:3.20 | docker load`;

/** Adds `guestctl save`. */
export function addSave(program: Command): void {
  program
    .command("save")
    .description("Write images of the local store to a tar archive, on stdout by default.")
    .argument("<images...>")
    .option("-o, --output <file>", "write to this file")
    .addHelpText("after", HELP)
    .action((texts: readonly string[], flags: SaveFlags) => save(texts, flags));
}

async function save(texts: readonly string[], flags: SaveFlags): Promise<void> {
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { savedImages } = await import("../../engine/image/store/save-images.ts");
  const store = new ImageStore();
  using uses = new DisposableStack();
  const images = new Map<string, SavedImage>();
  for (const text of texts) {
    const { image, name } = store.find(text) ?? {};
    const use = image && store.use(image, "guestctl save");
    if (image === undefined || use === undefined) {
      throw new CliError(`image ${text}: not in the store; guestctl images lists those that are, and pull gets others`);
    }
    uses.use(use);
    const names = [...(images.get(image.digest)?.names ?? []), ...(name === undefined ? [] : [name])];
    images.set(image.digest, { image, names: [...new Set(names)] });
  }
  await writeArchive("save", flags.output, async (write) => {
    for await (const bytes of savedImages([...images.values()])) await write(bytes);
  });
}
