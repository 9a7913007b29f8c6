import { execFileSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { OUTPUTS } from "../../rootfs-builder/outputs/output-names.ts";
import { type Booted, bootsDescribed, describedGuest, type Stand } from "../vm/testing/boot-described.ts";

/**
 * `npm run bench:images [-- --rounds N] [--in DIR] [--built]`: prints the tables of docs/image-outputs.md. Images built in DIR
 * are kept; --built boots them without building again.
 */
const ROWS: readonly (readonly [profile: string, output: string, stand: Stand])[] = [
  ["qemu", "erofs-dax-disk", "q35"],
  ["qemu", "erofs", "q35"],
  ["qemu", "erofs-lz4hc", "q35"],
  ["qemu", "ext4", "q35"],
  ["qemu", "squashfs", "q35"],
  ["qemu", "erofs-verity-disk", "q35"],
  ["qemu", "initramfs-gzip", "q35"],
  ["qemu", "initramfs-zstd", "q35"],
  ["qemu", "squashfs", "microvm"],
  ["cloud-hypervisor", "erofs-dax-disk", "like cloud-hypervisor"],
  ["firecracker", "squashfs", "like firecracker"],
];
const MIB = 1024 * 1024;
/**
 * Outputs listed by size: disk layouts are as large as their file systems, and an initramfs is the same in all
 * profiles.
 */
const SIZED = OUTPUTS.filter((name) => !/-disk$/.test(name) || /^erofs-(dax|verity)-disk$/.test(name));

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, in: { type: "string" }, built: { type: "boolean" } },
});
const rounds = Number(values.rounds);
const directory = values.in ?? join(tmpdir(), `guestd-images-${process.pid}`);

/** Builds outputs and returns their folder. */
function build(folder: string, ...options: readonly string[]): string {
  const to = join(directory, folder);
  const builder = join(repositoryRoot, "rootfs-builder/build.ts");
  if (values.built !== true) execFileSync(process.execPath, [builder, "--to", to, ...options]);
  return to;
}

function mib(file: string): { readonly size: string; readonly used: string } {
  const { size, blocks } = statSync(file);
  return { size: (size / MIB).toFixed(1), used: ((blocks * 512) / MIB).toFixed(1) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function sizes(): string {
  const to = build("sizes", ...SIZED.flatMap((name) => ["--output", name]));
  const lines = SIZED.map((name) => {
    const file = name.startsWith("initramfs") ? `root.cpio${suffix(name)}` : `root.${name}.img`;
    const { size, used } = mib(join(to, "outputs", file));
    return `| \`${name}\` | ${size} | ${used} |`;
  });
  return ["| output | MiB | on disk |", "|---|---:|---:|", ...lines].join("\n");
}

function suffix(name: string): string {
  return { "initramfs-gzip": ".gz", "initramfs-zstd": ".zst" }[name] ?? "";
}

/** Boots all rows once per round, so that the machine's other load affects all of them. */
async function boots(): Promise<string> {
  const rows = ROWS.map(([profile, output, stand]) => {
    const folder = build(`${profile}-${output}`, "--profile", profile, "--output", output);
    return { profile, output, stand, guest: join(folder, profile), results: [] as Booted[] };
  });
  for (let round = 0; round < rounds; round++) {
    for (const { stand, guest, results } of rows) results.push(await bootsDescribed(guest, stand));
    process.stderr.write(`round ${round + 1} of ${rounds}, load ${loadavg()[0]?.toFixed(1)}\n`);
  }
  const lines = rows.map(({ profile, output, stand, guest, results }) => {
    const { kernel, initrd, root } = describedGuest(guest);
    const seconds = (median(results.map(({ milliseconds }) => milliseconds)) / 1000).toFixed(2);
    const available = (median(results.map(({ availableBytes }) => availableBytes)) / MIB).toFixed(0);
    const memory = output.startsWith("initramfs") ? 768 : 512;
    const parts = [kernel, initrd === root.file ? undefined : initrd].map((file) =>
      file === undefined ? "" : mib(join(guest, file)).size,
    );
    return `| ${profile} | ${stand} | \`${output}\` | ${parts.join(" | ")} | ${seconds} | ${available} of ${memory} |`;
  });
  const head = "| profile | machine | root | kernel, MiB | initramfs, MiB | first Check, s | available, MiB |";
  return [head, "|---|---|---|---:|---:|---:|---:|", ...lines].join("\n");
}

try {
  const table = `${sizes()}\n\n${await boots()}\n`;
  process.stdout.write(
    `${table}\nMedians of ${rounds}; ${availableParallelism()} CPUs, load ${loadavg()[0]?.toFixed(1)}, ${process.version}.\n`,
  );
} finally {
  if (values.in === undefined) rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
