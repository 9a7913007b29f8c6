import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOptions, Metafile, Plugin } from "esbuild";
import { BuildError } from "../build-error.ts";
import { withTemporary } from "../with-temporary.ts";
import { refuseMistakes } from "./check-bundle.ts";
import { type BundleFile, sizeReport } from "./size-report.ts";
import { standIns } from "./stand-ins.ts";

/**
 * Libraries in separate files, loaded by the first gRPC connection, YAML file, and image layer. The launcher knows the
 * file names.
 */
const LAZY = new Map([
  ["@grpc/grpc-js", "grpc.cjs"],
  ["yaml", "yaml.cjs"],
  ["tar-stream", "tar.cjs"],
]);

/**
 * Leaves identifiers unshortened, so that stack traces are readable without the start-up cost of esbuild's `keepNames`.
 * `dynamic-import: false` turns `import()` into `require`, so that the ESM loader never starts. `performance` would load ten
 * modules of Node, and `pathToFileURL` parse a URL at each start.
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
  // Keeps esbuild from looking for a tsconfig.json.
  tsconfigRaw: { compilerOptions: { strict: true, verbatimModuleSyntax: true } },
  logOverride: { "empty-import-meta": "error" },
  supported: { "dynamic-import": false },
  define: {
    "import.meta.dirname": "__dirname",
    "import.meta.filename": "__filename",
    "import.meta.url": "__bundle.url",
    "performance.now": "__now",
  },
  banner: {
    js: `(function(exports,require,module,__filename,__dirname){const __now=()=>{const[s,n]=process.hrtime();return s*1e3+n/1e6};const __bundle={get url(){return require("node:url").pathToFileURL(__filename).href}};`,
  },
  footer: { js: "})" },
} satisfies BuildOptions;

/**
 * Redirects those libraries to their own files, and leaves out packages that only gRPC's channelz and ORCA services
 * need.
 */
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
  /** Absolute path of the agent's entry, a .ts file without top-level await (the bundle is CommonJS). */
  readonly entry: string;
  /** Repository root. Paths in the output are relative to it, so that its location doesn't change the bytes. */
  readonly root: string;
  /** Directory that receives agent.cjs and the libraries' files, each by rename. */
  readonly outDir: string;
}

/**
 * Bundles the agent into agent.cjs and the libraries' files, and returns what their bytes are made of. Each file is one
 * function with CommonJS' parameters: if the launcher wrapped it, a second copy of the source would stay in memory.
 */
export async function bundleAgent({ entry, root, outDir }: BundleOptions): Promise<readonly BundleFile[]> {
  return withTemporary(outDir, async (temporary) => {
    const files: BundleFile[] = [];
    for (const [entryPoint, name] of [[entry, "agent.cjs"] as const, ...LAZY]) {
      const metafile = await bundleOne(entryPoint, root, join(temporary, name));
      const chunks = Array.from(LAZY.values(), (chunk) => `./${chunk}`);
      refuseMistakes(metafile, chunks);
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
