import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { visible } from "../../visible.ts";
import { CliError } from "../cli-error.ts";

const HELP = `
The SBOM is CycloneDX 1.6 in JSON: Debian packages, npm packages, Node and its libraries, the kernel, and each file with its
SHA-256. The build writes it to sbom.cdx.json.

  guestctl image sbom build/image > guest.cdx.json`;

/** Adds `guestctl image sbom`. */
export function addImageSbom(image: Command): void {
  image
    .command("sbom")
    .summary("print an image's software bill of materials")
    .description("Print the SBOM of the build that an image belongs to.")
    .argument("<path>", "an image, or a build's folder")
    .addHelpText("after", HELP)
    .action(async (path: string) => {
      process.stdout.write(visible(await readSbom(path)));
    });
}

/** Reads the SBOM beside the image or in the folder above it. */
async function readSbom(path: string): Promise<string> {
  const { SBOM } = await import("../../../rootfs-builder/manifest/manifest.ts");
  const whole = resolve(path);
  const found = await stat(whole).catch(() => undefined);
  if (found === undefined) throw new CliError(`image sbom ${path}: no such file or folder`);
  const near = found.isDirectory() ? whole : dirname(whole);
  for (const directory of [near, dirname(near)]) {
    const text = await readFile(join(directory, SBOM), "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  throw new CliError(`image sbom ${path}: no ${SBOM} beside it or above it; build the image again`);
}
