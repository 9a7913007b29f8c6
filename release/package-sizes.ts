import { dirname } from "node:path";
import type { PackageFile } from "./package-file.ts";

const MB = 1_000_000;

export interface PackageSize {
  readonly name: string;
  /** Bytes of the archive, and of its files. */
  readonly packed: number;
  readonly installed: number;
  /** Bytes by folder or, at the top, by file; largest first. */
  readonly parts: readonly (readonly [name: string, bytes: number])[];
}

/** Returns the sizes of a package and of its largest parts. */
export function sizes(name: string, archive: Buffer | undefined, files: readonly PackageFile[]): PackageSize {
  const parts = new Map<string, number>();
  for (const { path, content } of files) {
    const folder = dirname(path) === "." ? path : `${path.split("/")[0]}/`;
    const part = path.endsWith(".map") ? "source maps" : folder;
    parts.set(part, (parts.get(part) ?? 0) + content.length);
  }
  const installed = files.reduce((sum, { content }) => sum + content.length, 0);
  return { name, packed: archive?.length ?? 0, installed, parts: [...parts].sort(([, a], [, b]) => b - a) };
}

/** Returns the sizes as a table in Markdown, in MB. */
export function sizeTable(packages: readonly PackageSize[]): string {
  const rows = packages.map(({ name, packed, installed, parts }) => {
    const largest = parts.slice(0, 4).map(([part, bytes]) => `${part} ${megabytes(bytes)}`);
    return `| ${name} | ${megabytes(packed)} | ${megabytes(installed)} | ${largest.join(", ")} |\n`;
  });
  return `| package | download, MB | installed, MB | largest parts, MB |\n|---|---|---|---|\n${rows.join("")}`;
}

function megabytes(bytes: number): string {
  return (bytes / MB).toFixed(2);
}
