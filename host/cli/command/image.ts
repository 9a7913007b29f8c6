import type { Command } from "commander";
import { addImageBuild } from "./image-build.ts";

/** `guestctl image`: what makes guest images and looks into them. */
export function addImage(program: Command): void {
  const command = program
    .command("image")
    .summary("make guest images")
    .description("Makes what guests boot from, by recipes.");
  addImageBuild(command);
}
