import type { Command } from "commander";
import { CliError } from "../cli-error.ts";

/** Adds `guestctl tag`. */
export function addTag(program: Command): void {
  program
    .command("tag")
    .description("Give an image of the local store one more name, which another image may have had.")
    .argument("<image>")
    .argument("<name>")
    .action((text: string, name: string) => tag(text, name));
}

async function tag(text: string, name: string): Promise<void> {
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { fullName } = await import("../../engine/image/store/image-name.ts");
  const full = fullName(name);
  if (full.includes("@")) throw new CliError(`tag ${text} ${name}: a digest can't be chosen; leave it out`);
  const store = new ImageStore();
  const { image } = store.find(text) ?? {};
  if (image === undefined) throw new CliError(`image ${text}: not in the store; guestctl images lists those that are`);
  store.setName(full, image.digest);
}
