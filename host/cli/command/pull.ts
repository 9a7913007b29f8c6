import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import type { PulledImage } from "../../engine/image/store/pull-image.ts";
import { sizeText } from "../../size-text.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { CopyLine } from "../output/copy-line.ts";
import { print } from "../output/print.ts";

interface PullFlags extends OutputFlags {
  readonly quiet?: true;
  readonly plainHttp?: true;
}

const HELP = `
NAME is [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], by default on Docker Hub with the tag latest. The image is the one for this
machine's processor. Logins are those of docker login, from \${DOCKER_CONFIG:-~/.docker}/config.json or its credential helpers.
HTTPS_PROXY and NO_PROXY apply. Images are kept in \${XDG_CACHE_HOME:-~/.cache}/guestd/images, with at most
GUESTCTL_IMAGE_LIMIT bytes (default: 10g): beyond that, pull removes images that were not used for the longest time, but none
that a container uses.

  guestctl pull alpine:3.20
  guestctl run alpine:3.20 cat /etc/os-release`;

/** Adds `guestctl pull`. */
export function addPull(program: Command): void {
  const command = program
    .command("pull")
    .description("Pull images from registries into the local store.")
    .argument("<names...>")
    .option("-q, --quiet", "print only the full names")
    .option("--plain-http", "allow http without TLS for registries other than those on loopback");
  withOutput(command)
    .addHelpText("after", HELP)
    .action((names: readonly string[], flags: PullFlags) => pull(names, flags));
}

async function pull(names: readonly string[], flags: PullFlags): Promise<void> {
  const { pullImage } = await import("../../engine/image/store/pull-image.ts");
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const store = new ImageStore();
  using interrupts = new Interrupts();
  const all: PulledImage[] = [];
  for (const text of names) {
    using line = new CopyLine(text);
    const pulled = await pullImage(store, text, {
      plainHttp: flags.plainHttp === true,
      signal: interrupts.signal,
      onProgress: (bytes, total) => line.show(bytes, 1, total),
    });
    all.push(pulled);
    if (!isJson(flags)) await print(flags.quiet ? `${pulled.name}\n` : describe(pulled));
  }
  if (isJson(flags)) await print(jsonText(all.map(jsonOf)));
}

function describe({ image, name, isKnown }: PulledImage): string {
  const how = isKnown ? "up to date" : `pulled, ${sizeText(image.size)}`;
  return `${name}: ${how}, ${image.digest}\n`;
}

function jsonOf({ image: { digest, size }, name, isKnown }: PulledImage) {
  return { name, digest, size, pulled: !isKnown };
}
