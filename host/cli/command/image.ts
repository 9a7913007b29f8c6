import type { Command } from "commander";
import { addImageBuild } from "./image-build.ts";
import { addImageInspect } from "./image-inspect.ts";
import { addImageSbom } from "./image-sbom.ts";

/** `guestctl image`: what makes guest images and looks into them. */
export function addImage(program: Command): void {
  const command = program
    .command("image")
    .summary("make guest images and look into them")
    .description("Makes what guests boot from, by recipes; tells and checks what is in it.");
  addImageBuild(command);
  addImageInspect(command);
  addImageSbom(command);
}
