import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOptions, Metafile, Plugin } from "esbuild";
import { BuildError } from "../build-error.ts";
import { withTemporary } from "../with-temporary.ts";
import { refuseMistakes } from "./check-bundle.ts";
import { type BundleFile, sizeReport } from "./size-report.ts";
import { standIns } from "./stand-ins.ts";

/**
 * Libraries that are files of their own, loaded by the first gRPC connection, file of YAML, and layer of an image. The
 * launcher knows the names of the files.
 */
const LAZY = new Map([
  ["@grpc/grpc-js", "grpc.cjs"],
  ["yaml", "yaml.cjs"],
  ["tar-stream", "tar.cjs"],
]);

/** Parts of Node that cost an idle agent or its start most: crypto takes a MiB. `agent/kernel/builtin.ts` gives them where they are used. */
const DEAR_NAMES = "assert child_process crypto http http2 https tls v8 vm worker_threads zlib".split(" ");
const DEAR = DEAR_NAMES.flatMap((name) => [name, `node:${name}`]);

/**
 * Names are kept because identifiers are not shortened: stack traces stay readable, and nothing is paid at start as with
 * esbuild's `keepNames`. `dynamic-import: false` makes `import()` a `require`, so that the ESM loader is never woken.
 */
const COMMON = {
  bundle: true,
  write: true,
  metafile: true,
  format: "cjs",
  platform: "node",
  target: "node24",
  minifyWhitespace: true,
  minifySyntax: true,
  charset: "ascii",
  legalComments: "none",
  logLevel: "silent",
  // Instead of a tsconfig.json that esbuild would look for.
  tsconfigRaw: { compilerOptions: { strict: true, verbatimModuleSyntax: true } },
  logOverride: { "empty-import-meta": "error" },
  supported: { "dynamic-import": false },
  define: {
    "import.meta.dirname": "__dirname",
    "import.meta.filename": "__filename",
    "import.meta.url": "__bundleUrl",
  },
  banner: {
    js: `(function(exports,require,module,__filename,__dirname){const __bundleUrl=require("node:url").pathToFileURL(__filename).href;`,
  },
  footer: { js: "})" },
} satisfies BuildOptions;

/** Those libraries are other files; the packages that only its channelz and ORCA services want are left out. */
const chunks: Plugin = {
  name: "guestd-chunks",
  setup(build) {
    build.onResolve({ filter: /^(@grpc\/grpc-js|yaml|tar-stream)$/ }, ({ kind, path }) =>
      kind === "entry-point" ? undefined : { path: `./${LAZY.get(path)}`, external: true },
    );
    build.onResolve({ filter: /^@grpc\/proto-loader$/ }, () => ({ path: "proto-loader", namespace: "left-out" }));
    build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents: `exports.loadSync = () => { throw new Error("gRPC channelz and ORCA are not in this build"); };`,
    }));
  },
};

export interface BundleOptions {
  /** Absolute path of the agent's entry, a .ts file without await at its top level (the bundle is CommonJS). */
  readonly entry: string;
  /** Repository root: paths in the output are relative to it, so that the folder does not show in the bytes. */
  readonly root: string;
  /** Gets agent.cjs and the libraries' files, each put there by rename. */
  readonly outDir: string;
}

/**
 * Bundles the agent into agent.cjs and the libraries' files; the result says what the bytes are made of. Each holds one function,
 * of CommonJS' parameters, so that the launcher need not put it together: a second copy of the source would stay in memory.
 */
export async function bundleAgent({ entry, root, outDir }: BundleOptions): Promise<readonly BundleFile[]> {
  return withTemporary(outDir, async (temporary) => {
    const files: BundleFile[] = [];
    for (const [entryPoint, name] of [[entry, "agent.cjs"] as const, ...LAZY]) {
      const metafile = await bundleOne(entryPoint, root, join(temporary, name));
      const chunks = Array.from(LAZY.values(), (chunk) => `./${chunk}`);
      refuseMistakes(metafile, entryPoint === entry ? [...chunks, ...DEAR] : chunks);
      files.push(sizeReport(name, metafile));
    }
    for (const { name } of files) await rename(join(temporary, name), join(outDir, name));
    return files;
  });
}

async function bundleOne(entryPoint: string, root: string, outfile: string): Promise<Metafile> {
  const { build, formatMessagesSync } = await import("esbuild");
  try {
    const options = {
      ...COMMON,
      entryPoints: [entryPoint],
      absWorkingDir: root,
      outfile,
      plugins: [chunks, standIns],
    };
    return (await build(options)).metafile;
  } catch (error) {
    if (!(error instanceof Error && "errors" in error && Array.isArray(error.errors))) throw error;
    const [first] = formatMessagesSync(error.errors.slice(0, 1), { kind: "error", color: false });
    throw new BuildError(`bundle ${entryPoint}: ${(first ?? error.message).trim().replaceAll(/\s*\n\s*/g, " | ")}`);
  }
}
