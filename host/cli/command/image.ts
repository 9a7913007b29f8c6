import type { Command } from "commander";
import { addImageBuild } from "./image-build.ts";
import { addImageInspect } from "./image-inspect.ts";
import { addImagePrune } from "./image-prune.ts";
import { addImageSbom } from "./image-sbom.ts";

/** Adds `guestctl image`. */
export function addImage(program: Command): void {
  const command = program
    .command("image")
    .description("Build guest images from recipes, show and check what they hold; remove unused images of containers.");
  addImageBuild(command);
  addImageInspect(command);
  addImageSbom(command);
  addImagePrune(command);
}
