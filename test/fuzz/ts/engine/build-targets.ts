import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build, type Plugin, transform } from "esbuild";
import { makeWorkDirectory } from "../../../clean-up/work-directory.ts";
import { instrument } from "./instrument.ts";

const repository = join(import.meta.dirname, "../../../..");
const PLAYED_HTTP = join(import.meta.dirname, "../targets/played-http.ts");
/** Matches the code whose branches are counted: ours and the parsers it uses, but not the fuzzer and its targets. */
const COUNTED =
  /^(?:(?:agent|proto|image|host|rootfs-builder)\/|node_modules\/(?:tar-stream|yaml|protobufjs|@grpc\/grpc-js)\/)/;

export interface Program {
  readonly path: string;
  /** Range of branch ids of each of our files; `end` is exclusive. */
  readonly branches: ReadonlyMap<string, readonly [first: number, end: number]>;
}

/**
 * Builds one program of all targets that counts every branch of our code. It is in its own folder, which the caller
 * removes.
 */
export async function buildTargets(): Promise<Program> {
  const outfile = join(makeWorkDirectory("fuzz-ts"), "targets.cjs");
  const branches = new Map<string, readonly [number, number]>();
  await build({
    entryPoints: [join(import.meta.dirname, "child.ts")],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    outfile,
    external: ["*.node"],
    define: {
      "import.meta.dirname": JSON.stringify(join(repository, "agent/none")),
      "import.meta.url": '"file:///none"',
    },
    banner: { js: `"use strict"; ${PRELUDE}` },
    plugins: [counting(branches)],
    logLevel: "error",
  });
  return { path: outfile, branches };
}

/** Defines the counters, and the last pairs of compared values that differed, for child.ts. */
const PRELUDE = `
const $fuzz = globalThis.$fuzz = { counts: new Uint32Array(1 << 18), touched: new Uint32Array(1 << 18), size: 0, compared: new Array(128).fill(""), at: 0 };
function $hit(id) { if ($fuzz.counts[id]++ === 0) $fuzz.touched[$fuzz.size++] = id; }
function $same(a, b) {
  if (a === b) return true;
  const type = typeof a;
  if (type === typeof b && (type === "string" || type === "number")) { const at = $fuzz.at; $fuzz.compared[at] = a; $fuzz.compared[at + 1] = b; $fuzz.at = (at + 2) & 127; }
  return false;
}
`.replaceAll("\n", " ");

function counting(branches: Map<string, readonly [number, number]>): Plugin {
  let last = 0;
  return {
    name: "counting",
    setup({ onLoad, onResolve }) {
      // No input opens a connection.
      onResolve({ filter: /^node:https?$/ }, ({ importer }) =>
        importer.endsWith("/http-get.ts") ? { path: PLAYED_HTTP } : undefined,
      );
      onLoad({ filter: /\.(?:ts|js|cjs|mjs)$/ }, async ({ path }) => {
        const file = relative(repository, path);
        if (!COUNTED.test(file)) return undefined;
        const source = readFileSync(path, "utf8");
        const { code } = await transform(source, { loader: path.endsWith(".ts") ? "ts" : "js", target: "es2023" });
        const first = last;
        const contents = instrument(code, () => last++);
        branches.set(file, [first, last]);
        return { contents, loader: "js" };
      });
    },
  };
}
