import type { Command } from "commander";
import colors from "picocolors";
import type { Check } from "../../../rootfs-builder/inspect/check.ts";
import type { Inspected, Inspection } from "../../../rootfs-builder/inspect/inspect-path.ts";
import type { Manifest } from "../../../rootfs-builder/manifest/manifest.ts";
import type { PartLine } from "../../../rootfs-builder/manifest/part-table.ts";
import { sizeText } from "../../size-text.ts";
import { visibleLine } from "../../visible.ts";
import { jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { textTable } from "../output/text-table.ts";

interface InspectFlags extends OutputFlags {
  readonly manifest?: string;
  readonly rootHash?: string;
}

const HELP = `
inspect trusts only a file's bytes. It reads kernels, initramfs archives, disks with or without the DAX header, EROFS, ext4,
squashfs, verity hashes and container images (OCI layouts as folders or tars, docker save files). For a folder it also checks
that the files fit together. With the build's manifest.json, in the same folder or above, it compares each file with the build's
record and prints what the file is for. The exit code is 1 if a check fails.

  guestctl image inspect build/image
  guestctl image inspect --json build/kata/kata-guestd.img`;

/** Adds `guestctl image inspect`. */
export function addImageInspect(image: Command): void {
  const command = image
    .command("inspect")
    .summary("show and check what is in an image")
    .description("Show what an image or a folder of images holds, and check that a guest can use it.")
    .argument("<path>", "an image, or a folder with images")
    .option("--manifest <file>", "the build's manifest.json, if it isn't beside the image or above it")
    .option("--root-hash <hex>", "expected root hash of the dm-verity tree");
  withOutput(command, "print {files, checks, parts, modules}")
    .addHelpText("after", HELP)
    .action((path: string, flags: InspectFlags) => inspect(path, flags));
}

async function inspect(path: string, { output, ...options }: InspectFlags): Promise<void> {
  const { inspectPath } = await import("../../../rootfs-builder/inspect/inspect-path.ts");
  const { partTable } = await import("../../../rootfs-builder/manifest/part-table.ts");
  const inspection = await inspectPath(path, options);
  const { files, checks, manifest } = inspection;
  const parts = manifest === undefined ? [] : partTable(manifest);
  process.stdout.write(output === "json" ? jsonText(asJson(inspection, parts)) : describe(inspection, parts));
  if (![...files.flatMap((one) => one.checks), ...checks].every(({ ok }) => ok)) process.exitCode = 1;
}

function asJson({ files, checks, manifest }: Inspection, parts: readonly PartLine[]) {
  const modules = modulesOf(manifest).map(({ name, version, bytes = 0 }) => ({ name, version, bytes }));
  return { files: files.map(({ tree, ...rest }) => ({ ...rest, entries: tree?.size })), checks, parts, modules };
}

function describe({ files, checks, manifest }: Inspection, parts: readonly PartLine[]): string {
  const sections = files.map((one) => `${title(one)}\n${lines(one.checks)}`);
  if (checks.length > 0) sections.push(`${colors.bold("together")}\n${lines(checks)}`);
  if (manifest !== undefined && files.some(({ tree }) => tree?.has("usr"))) {
    const rows = parts.map(({ name, bytes, neededBy }) => [`  ${sizeText(bytes).padStart(8)}`, name, neededBy]);
    sections.push(`${colors.bold("in the root, and what needs it")}\n${textTable(rows)}`);
    const modules = modulesOf(manifest).map(({ name, version, bytes = 0 }) => {
      return [`  ${sizeText(bytes).padStart(8)}`, `${name} ${version}`];
    });
    sections.push(`${colors.bold("npm packages in the agent's bundles")}\n${textTable(modules)}`);
  }
  return sections.join("\n");
}

function modulesOf(manifest: Manifest | undefined) {
  const modules = manifest?.sources.filter(({ id }) => id.startsWith("npm:")) ?? [];
  return modules.sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
}

function title({ file, kind, bytes, tree, release }: Inspected): string {
  const version = tree === undefined ? undefined : versionOf(tree);
  const more = [
    ...(version === undefined ? [] : [version]),
    ...(bytes === 0 ? [] : [sizeText(bytes)]),
    ...(release === undefined ? [] : [`Linux ${release}`]),
    ...(tree === undefined ? [] : [`${tree.size} entries`]),
  ];
  return `${colors.bold(visibleLine(file))}  ${visibleLine([kind, ...more].join(", "))}`;
}

function lines(checks: readonly Check[]): string {
  return textTable(checks.map(({ name, ok, detail }) => [ok ? "  ok" : "  FAILED", name, detail]));
}

/** Returns the name and version from a root's os-release. */
function versionOf(tree: NonNullable<Inspected["tree"]>): string | undefined {
  const release = tree.get("etc/os-release");
  return release?.type === "file" ? /^PRETTY_NAME="?([\w .()/-]+)/m.exec(release.content.toString())?.[1] : undefined;
}
