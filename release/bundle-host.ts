import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { type BundleFile, sizeReport } from "../rootfs-builder/bundle/size-report.ts";
import { ownSourceMap } from "./own-source-map.ts";
import type { PackageFile } from "./package-file.ts";

/** Folder of the JavaScript in a package. */
export const DIST = "dist";

export interface HostBundle {
  readonly files: readonly PackageFile[];
  /** Origin of each file's bytes. */
  readonly parts: readonly BundleFile[];
}

/** Oldest Node that runs the packages: the first one whose node:zlib knows zstd, which layers of images use. */
export const OLDEST_NODE = "22.15.0";

/** Defines what bundled CommonJS packages expect of Node; ssh2 reads `__dirname` as it is loaded. */
const REQUIRE =
  `import { createRequire as requireOf } from "node:module"; ` +
  `const require = requireOf(import.meta.url), __dirname = import.meta.dirname;`;

const OPTIONS = {
  bundle: true,
  splitting: true,
  write: false,
  metafile: true,
  format: "esm",
  platform: "node",
  target: `node${OLDEST_NODE}`,
  minify: true,
  // Node prints the line of an uncaught error.
  lineLimit: 240,
  charset: "utf8",
  legalComments: "none",
  logLevel: "silent",
  sourcemap: "linked",
  sourcesContent: false,
  entryNames: "[name]",
  chunkNames: "[name]-[hash]",
  banner: { js: REQUIRE },
  tsconfigRaw: { compilerOptions: { strict: true, verbatimModuleSyntax: true } },
} satisfies BuildOptions;

/** Drops the last line of a script, which names its source map, if the script has no source of our own. */
function withMapIfAny(script: string, map = ""): string {
  return map !== "" && ownSourceMap(map) === undefined
    ? script.replace(/\n\/\/# sourceMappingURL=\S+\n$/, "\n")
    : script;
}

/** Addons that ssh2 does without. */
const ADDONS = ["*.node", "cpu-features"];
/** Packages of `guestctl mcp`, which would be a fifth of guestd. */
const MCP = ["@modelcontextprotocol/server", "zod"];
/** Packages of `guestctl top`, which would be a sixth. */
const TOP = ["ink", "react", "@xterm/headless"];

/**
 * Bundles entries of the checkout at `root`, given by the names of their outputs, with all packages that they need.
 * Code that only a dynamic import reaches is in files of its own. `mcp` includes the packages of `guestctl mcp`.
 */
export async function bundleHost(
  root: string,
  entries: Readonly<Record<string, string>>,
  { mcp = false }: { readonly mcp?: boolean } = {},
): Promise<HostBundle> {
  const outdir = join(root, DIST);
  const { outputFiles, metafile } = await build({
    ...OPTIONS,
    external: [...ADDONS, ...TOP, ...(mcp ? [] : MCP)],
    absWorkingDir: root,
    entryPoints: { ...entries },
    inject: [join(root, "release/disposable-stacks.js")],
    outdir,
    plugins: [withoutProtoLoader, withoutBuilder, versionAlone],
  });
  const texts = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const files = [...texts].flatMap(([path, text]) => {
    const content = path.endsWith(".map")
      ? ownSourceMap(text)
      : withMapIfAny(withRequireIfUsed(text), texts.get(`${path}.map`));
    return content === undefined ? [] : { path: join(DIST, relative(outdir, path)), content: Buffer.from(content) };
  });
  const scripts = files.filter(({ path }) => path.endsWith(".js"));
  return { files, parts: scripts.map(({ path }) => sizeReport(relative(DIST, path), metafile)) };
}

/** Empties the line of `REQUIRE` in a file that uses nothing of it. The line stays, because source maps count it. */
function withRequireIfUsed(text: string): string {
  const rest = text.replace(REQUIRE, "");
  return /\b(?:require|__dirname)\b/.test(rest) ? text : rest;
}

/** Leaves out the package that only gRPC's channelz and ORCA services need, with its own .proto parser. */
const withoutProtoLoader: Plugin = {
  name: "without-proto-loader",
  setup(made) {
    made.onResolve({ filter: /^@grpc\/proto-loader$/ }, () => ({ path: "proto-loader", namespace: "left-out" }));
    made.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents: `exports.loadSync = () => { throw new Error("gRPC channelz and ORCA are not in this build"); };`,
    }));
  },
};

/** Leaves out of our package.json what nothing reads at run time. */
const versionAlone: Plugin = {
  name: "version-alone",
  setup(made) {
    made.onLoad({ filter: /\/package\.json$/ }, ({ path }) => {
      const { name, version } = JSON.parse(readFileSync(path, "utf8"));
      return { contents: JSON.stringify({ name, version }), loader: "json" };
    });
  },
};

/** Leaves out the part of the image builder that needs a checkout. */
const withoutBuilder: Plugin = {
  name: "without-builder",
  setup(made) {
    const filter = /\/rootfs-builder\/(recipe\/recipe-tasks|show-tasks|build-summary)\.ts$/;
    made.onResolve({ filter }, () => ({ path: "guestd-image-builder", external: true }));
  },
};
