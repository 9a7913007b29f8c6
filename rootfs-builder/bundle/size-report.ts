import { basename } from "node:path";
import type { Metafile } from "esbuild";

interface BundlePart {
  /** Package in node_modules, or top-level folder of our own source. */
  readonly name: string;
  readonly bytes: number;
}

export interface BundleFile {
  readonly name: string;
  readonly bytes: number;
  /** Parts, largest first, with their size in the output in bytes. */
  readonly parts: readonly BundlePart[];
  /** Folders of the packages that contribute to the file, as package-lock.json names them, sorted. */
  readonly modules: readonly string[];
}

/** Returns what an esbuild output is made of, by package or folder. */
export function sizeReport(name: string, metafile: Metafile): BundleFile {
  const output = Object.entries(metafile.outputs).find(([path]) => basename(path) === name)?.[1];
  const sizes = new Map<string, number>();
  for (const [input, { bytesInOutput }] of Object.entries(output?.inputs ?? {})) {
    const part = partOf(input);
    sizes.set(part, (sizes.get(part) ?? 0) + bytesInOutput);
  }
  const parts = [...sizes].map(([part, bytes]) => ({ name: part, bytes }));
  parts.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
  return { name, bytes: output?.bytes ?? 0, parts, modules: modulesOf(Object.keys(output?.inputs ?? {})) };
}

function partOf(input: string): string {
  const installed = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1];
  return installed ?? /^(?:\.\.\/)*([^/]+)\//.exec(input)?.[1] ?? input;
}

function modulesOf(inputs: readonly string[]): readonly string[] {
  const folders = inputs.map(
    (input) => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? [],
  );
  return [...new Set(folders.flat())].sort();
}
