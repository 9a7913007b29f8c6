import type { Command } from "commander";
import colors from "picocolors";
import type { Check } from "../../../rootfs-builder/inspect/check.ts";
import type { Inspected, Inspection } from "../../../rootfs-builder/inspect/inspect-path.ts";
import { sizeText, textTable } from "../text-table.ts";

interface InspectFlags {
  readonly rootHash?: string;
  readonly json?: true;
}

const HELP = `
Nothing is believed of a file but its bytes: kernels, initramfs archives, disks with or without the DAX header, EROFS, ext4,
squashfs, verity hashes, OCI layouts. For a folder it is also checked that the files fit together. The exit code is 1 when a check
failed.

  guestctl image inspect build/image
  guestctl image inspect --json build/kata/kata-guestd.img`;

/** `guestctl image inspect`. */
export function addImageInspect(image: Command): void {
  image
    .command("inspect")
    .summary("tell and check what is in an image")
    .description("Tells what an image or a folder of them holds, and checks that it is as a guest needs it.")
    .argument("<path>", "an image, or a folder with images")
    .option("--root-hash <hex>", "what the dm-verity tree has to end in")
    .option("--json", "as {files, checks}")
    .addHelpText("after", HELP)
    .action((path: string, flags: InspectFlags) => inspect(path, flags));
}

async function inspect(path: string, { rootHash, json }: InspectFlags): Promise<void> {
  const { inspectPath } = await import("../../../rootfs-builder/inspect/inspect-path.ts");
  const inspection = await inspectPath(path, rootHash === undefined ? {} : { rootHash });
  process.stdout.write(json ? `${JSON.stringify(withoutTrees(inspection), undefined, 2)}\n` : describe(inspection));
  const all = [...inspection.files.flatMap(({ checks }) => checks), ...inspection.checks];
  if (!all.every(({ ok }) => ok)) process.exitCode = 1;
}

function withoutTrees({ files, checks }: Inspection) {
  return { files: files.map(({ tree, ...rest }) => ({ ...rest, entries: tree?.size })), checks };
}

function describe({ files, checks }: Inspection): string {
  const parts = files.map((one) => `${title(one)}\n${lines(one.checks)}`);
  return checks.length === 0 ? parts.join("\n") : [...parts, `${colors.bold("together")}\n${lines(checks)}`].join("\n");
}

function title({ file, kind, bytes, tree, release }: Inspected): string {
  const more = [
    ...(bytes === 0 ? [] : [sizeText(bytes)]),
    ...(release === undefined ? [] : [`Linux ${release}`]),
    ...(tree === undefined ? [] : [`${tree.size} entries`]),
  ];
  return `${colors.bold(file)}  ${[kind, ...more].join(", ")}`;
}

function lines(checks: readonly Check[]): string {
  return textTable(checks.map(({ name, ok, detail }) => [ok ? "  ok" : "  FAILED", name, detail]));
}
