import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { guestPackageName } from "../lib/guest-package.ts";
import type { BundleFile } from "../rootfs-builder/bundle/size-report.ts";
import { bundleHost, DIST, OLDEST_NODE } from "./bundle-host.ts";
import { declarations, TYPES } from "./declarations.ts";
import { launcher } from "./launcher.ts";
import { manualPages } from "./manual-pages.ts";
import { notices } from "./notices.ts";
import { jsonFile, type PackageFile, textFile } from "./package-file.ts";

export interface BuiltPackage {
  readonly name: string;
  readonly files: readonly PackageFile[];
  /** Origin of the bytes of bundled files. */
  readonly parts: readonly BundleFile[];
}

/** Modules that programs import, by the name in `exports`. */
const LIBRARY: Readonly<Record<string, string>> = {
  index: "host/sdk/index.ts",
  mock: "host/sdk/mock/index.ts",
};

/** Files that the code reads at run time, at the same paths as in the checkout. */
const ASSETS = [
  "proto/*.proto",
  "host/conformance/{report/page.*,known-failures/*.yaml}",
  "rootfs-builder/recipe/*.schema.json",
  "host/setup/*.sh",
];

/** The page of `guestctl serve`: it is in the package as browsers get it, compressed, which is a third of its size. */
const PAGE_FILES = "build/page/*.{html,js,css}";

/** Packages that the page of `guestctl serve` is bundled with. */
const PAGE = ["preact", "@preact/signals", "@preact/signals-core", "@xterm/xterm", "@xterm/addon-fit", "uplot"];

/** Builds the package with guestctl and the library, from the checkout at `root`; `mcp` as in `bundleHost`. */
export async function guestdPackage(
  root: string,
  version: string,
  options: { readonly mcp?: boolean } = {},
): Promise<BuiltPackage> {
  const library = Object.entries(LIBRARY).filter(([, entry]) => existsSync(join(root, entry)));
  const programs = { guestctl: "host/cli/guestctl.ts", "channel-program": "host/vm/channel/channel-program.ts" };
  const entries = { ...programs, ...Object.fromEntries(library) };
  const { files, parts } = await bundleHost(root, entries, options);
  const read = (path: string): PackageFile => ({ path, content: readFileSync(join(root, path)) });
  const manual = await manualPages(version);
  const all = [
    ...files,
    ...(await declarations(
      root,
      library.map(([, entry]) => entry),
    )),
    ...globSync(ASSETS, { cwd: root }).map(read).map(withoutComments),
    ...globSync(PAGE_FILES, { cwd: root }).map((path) => {
      return { path: `${path}.gz`, content: gzipSync(read(path).content, { level: 9 }) };
    }),
    ...["README.md", "LICENSE"].map(read),
    textFile(
      "THIRD-PARTY-NOTICES.txt",
      notices(root, [...parts.flatMap(({ modules }) => modules), ...PAGE.map((name) => `node_modules/${name}`)]),
    ),
    ...launcher("guestctl"),
    ...manual,
    jsonFile("package.json", {
      name: "guestd",
      version,
      description: "Sandboxes in micro-VMs: the guestctl command, and a library for programs",
      ...COMMON,
      type: "module",
      bin: { guestctl: "bin/guestctl" },
      man: manual.map(({ path }) => `./${path}`),
      exports: exportsOf(library),
      optionalDependencies: Object.fromEntries(["x64", "arm64"].map((one) => [guestPackageName(one), version])),
      peerDependencies: { "@types/node": ">=22", ...onePackages(root) },
      peerDependenciesMeta: optional(["@types/node", ...ONE_COMMAND]),
    }),
  ];
  return { name: "guestd", files: all, parts };
}

/** Leaves out the comments of a .proto file, two fifths of it: they are for readers of the repository. */
function withoutComments({ path, content }: PackageFile): PackageFile {
  return path.endsWith(".proto") ? textFile(path, content.toString().replace(/^ *\/\/.*\n/gm, "")) : { path, content };
}

/** Fields that all packages share. */
export const COMMON = { license: "Apache-2.0", engines: { node: `>=${OLDEST_NODE}` }, os: ["linux"] };

/** Packages that only `guestctl mcp` or `guestctl top` needs. */
const ONE_COMMAND = ["@modelcontextprotocol/server", "zod", "ink", "react", "@xterm/headless"];

/** Returns these packages with their versions. */
function onePackages(root: string): Readonly<Record<string, string>> {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.fromEntries(ONE_COMMAND.map((name) => [name, dependencies[name]]));
}

function optional(names: readonly string[]): object {
  return Object.fromEntries(names.map((name) => [name, { optional: true }]));
}

function exportsOf(library: readonly (readonly [string, string])[]): object {
  const modules = library.map(([name, entry]) => [
    name === "index" ? "." : `./${name}`,
    { types: `./${TYPES}/${entry.replace(/\.ts$/, ".d.ts")}`, default: `./${DIST}/${name}.js` },
  ]);
  return { ...Object.fromEntries(modules), "./package.json": "./package.json" };
}
