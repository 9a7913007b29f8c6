import { createHash } from "node:crypto";
import { createReadStream, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ENTER } from "../../nightly/testing/debian-root.ts";
import { inNamespaces, timed } from "../../nightly/testing/timed-step.ts";
import type { ImageRecipe } from "./recipes.ts";

const LAYER = join(import.meta.dirname, "build-layer.sh");

/** Packs a copy of a new Debian as the layer that all images share. The copy stays, for the layers above. */
export async function packBase(root: string, directory: string): Promise<void> {
  const base = join(directory, "base");
  await must(["cp", "--archive", root, base]);
  for (const left of ["var/cache/apt/archives", "var/lib/apt/lists"]) {
    rmSync(join(base, left), { recursive: true, force: true });
    mkdirSync(join(base, left));
  }
  // Packages that are installed start no servers, as in Docker's images.
  writeFileSync(join(base, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  await packLayer(base, join(directory, "base.tar"));
}

/** Builds an image of Debian's packages and writes it as `docker save` does. */
export async function buildImage(recipe: ImageRecipe, directory: string, to: string): Promise<void> {
  const work = join(directory, recipe.name);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  await must(["sh", LAYER, ENTER, join(directory, "base"), work, recipe.run ?? ":", ...recipe.packages]);
  for (const [path, content] of Object.entries(recipe.files ?? {})) {
    mkdirSync(dirname(join(work, "upper", path)), { recursive: true });
    writeFileSync(join(work, "upper", path), content, { mode: 0o755 });
  }
  await packLayer(join(work, "upper"), join(work, "layer.tar"));
  const archive = join(work, "archive");
  mkdirSync(archive);
  const layers = [join(directory, "base.tar"), join(work, "layer.tar")];
  const digests = await Promise.all(layers.map(sha256));
  for (const [at, file] of layers.entries()) linkSync(file, join(archive, `${digests[at]}.tar`));
  const { config } = recipe;
  const rootfs = { type: "layers", diff_ids: digests.map((digest) => `sha256:${digest}`) };
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const created = "2026-01-01T00:00:00Z";
  writeFileSync(join(archive, "config.json"), JSON.stringify({ architecture, os: "linux", created, config, rootfs }));
  const tars = digests.map((digest) => `${digest}.tar`);
  const manifest = [{ Config: "config.json", RepoTags: [`hour/${recipe.name}:latest`], Layers: tars }];
  writeFileSync(join(archive, "manifest.json"), JSON.stringify(manifest));
  await must(["tar", "-C", archive, "-cf", to, "manifest.json", "config.json", ...tars]);
  rmSync(work, { recursive: true });
}

/** Writes a folder as a tar, with the owners and the capabilities that layers keep. */
async function packLayer(root: string, file: string): Promise<void> {
  const attributes = ["--xattrs", "--xattrs-include=security.capability"];
  await must(["tar", "-C", root, "--numeric-owner", ...attributes, "-cf", file, "."]);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** Runs a command as root, in namespaces that end with it. Rejects with the end of its output if it fails. */
async function must(command: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await timed(inNamespaces(command));
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}
