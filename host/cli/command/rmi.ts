import type { Command } from "commander";
import type { ImageStore } from "../../engine/image/store/image-store.ts";
import { CliError } from "../cli-error.ts";
import { forEachName } from "../output/for-each-name.ts";

interface RmiFlags {
  readonly force?: true;
}

const HELP = `
IMAGE is a name, or the beginning of an id. An image that has other names only loses this one.`;

/** Adds `guestctl rmi`. */
export function addRmi(program: Command): void {
  program
    .command("rmi")
    .description("Remove images from the local store.")
    .argument("<images...>")
    .option("-f, --force", "remove images that containers use too; the containers keep running")
    .addHelpText("after", HELP)
    .action(async (texts: readonly string[], flags: RmiFlags) => {
      const { ImageStore } = await import("../../engine/image/store/image-store.ts");
      const store = new ImageStore();
      await forEachName(texts, (text) => rmi(store, text, flags));
    });
}

async function rmi(store: ImageStore, text: string, { force = false }: { readonly force?: boolean }): Promise<void> {
  const { image, name } = store.find(text) ?? {};
  if (image === undefined) throw new CliError(`image ${text}: not in the store; guestctl images lists those that are`);
  if (name !== undefined && image.names.length > 1) return store.removeName(name);
  if (await store.remove(image, { force })) return;
  const [container = "another process"] = store.find(image.digest)?.image.containers ?? [];
  throw new CliError(`image ${text}: container ${container} uses it; guestctl rm ${container} first, or add --force`);
}
