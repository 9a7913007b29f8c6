import type { Metafile } from "esbuild";
import { BuildError } from "../build-error.ts";

/** Packages that must not be in the guest: host tools, and dependencies of a second .proto parser. */
const UNWANTED = /(?:^|\/)node_modules\/(@grpc\/proto-loader|yargs|yargs-parser|protobufjs-cli|pino-pretty)\//;
const PROTOBUFJS = /^(.*node_modules\/protobufjs)\//;

/**
 * Fails if a bundle contains an unwanted package or a second protobufjs, or if it loads one of `late` at start instead
 * of on demand.
 */
export function refuseMistakes(metafile: Metafile, late: readonly string[]): void {
  const copies = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const unwanted = UNWANTED.exec(input)?.[1];
    if (unwanted !== undefined) {
      throw new BuildError(
        `bundle: it contains ${unwanted} (${importers(metafile, input)}), which must stay out of the guest`,
      );
    }
    const copy = PROTOBUFJS.exec(input)?.[1];
    if (copy !== undefined) copies.add(copy);
  }
  if (copies.size > 1) throw new BuildError(`bundle: it contains more than one protobufjs: ${[...copies].join(", ")}`);
  for (const one of late) {
    const chain = eagerChain(metafile, one);
    if (chain === undefined) continue;
    throw new BuildError(`bundle: ${one} is loaded at start (${chain.join(" → ")}): use import() on the way there`);
  }
}

/** Returns the files that lead from the entry to `target` through static imports only. */
function eagerChain(metafile: Metafile, target: string): readonly string[] | undefined {
  const entries = Object.values(metafile.outputs).flatMap(({ entryPoint }) => entryPoint ?? []);
  const pending = entries.map((entry) => [entry]);
  const seen = new Set(entries);
  for (let chain = pending.shift(); chain !== undefined; chain = pending.shift()) {
    for (const { path, kind } of metafile.inputs[chain.at(-1) ?? ""]?.imports ?? []) {
      if (kind === "dynamic-import") continue;
      if (path === target) return [...chain, path];
      if (!seen.has(path)) pending.push([...chain, path]);
      seen.add(path);
    }
  }
  return undefined;
}

function importers(metafile: Metafile, input: string): string {
  const names = Object.entries(metafile.inputs).filter(([, { imports }]) => imports.some(({ path }) => path === input));
  return `imported by ${names.map(([name]) => name).join(", ") || "the entry"}`;
}
