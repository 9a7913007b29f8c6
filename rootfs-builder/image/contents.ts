import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { BuildError } from "../build-error.ts";
import { type PackageGetter, packageTar } from "../debian/debian-package.ts";
import { mergeTars } from "../tree/merge.ts";
import type { Tree } from "../tree/tree.ts";
import { TreeOverlay } from "../tree/tree-overlay.ts";
import { baseFiles } from "./base-files.ts";
import { FILE_SYSTEM_PACKAGES, fileSystemTools } from "./file-system-tools.ts";
import { neededPart } from "./libraries.ts";
import { NETWORK_PACKAGES, networkTools } from "./network-tools.ts";
import { type RuntimeName, runtimePackages, runtimePrograms } from "./runtimes.ts";

/** Packages that provide Node's libraries. Only the libraries it needs are included. */
export const LIBRARY_PACKAGES = ["libc6", "libgcc-s1", "libstdc++6"];
const DEBUG_PACKAGE = "busybox-static";
const INIT = "usr/sbin/init";

/** Node's options, one per line, as init reads them: small heaps, no idle worker threads, no debugger by signal. */
export const NODE_OPTIONS = [
  "--max-semi-space-size=1",
  "--max-old-space-size=64",
  "--v8-pool-size=0",
  "--disable-sigusr1",
];

export interface ImageContents {
  readonly version: string;
  /** Path of the stripped Node. */
  readonly node: string;
  readonly init: string;
  readonly sysNode: string;
  /** Contains libseccomp. The agent loads it only to compile a filter. */
  readonly seccompNode: string;
  /** Program of a pause container. */
  readonly pause: string;
  /** Program of containers that ask for an init. */
  readonly containerInit: string;
  /** Program that the kernel runs for core dumps, if the agent asks for them. */
  readonly keepCore: string;
  /** Launcher, bundles and code caches; each is installed into /usr/lib/guestd under its own name. */
  readonly agentFiles: readonly string[];
  /** Adds a shell and busybox's tools. The default image has none. */
  readonly debug: boolean;
  /** Path of the Rego engine. The default image has none. */
  readonly rego?: string | undefined;
  /** Additional OCI runtimes. The default image has none. */
  readonly runtimes: readonly RuntimeName[];
  readonly packageOf: PackageGetter;
  /** Adds a recipe's sources on top of the base files. guestd's own files go on top of both. */
  readonly addSources: (tree: Tree) => Promise<readonly Component[]>;
}

export interface Component {
  readonly name: string;
  readonly bytes: number;
}

/** Returns the Debian packages from which the image has files. */
export function imagePackages({ debug, runtimes }: Pick<ImageContents, "debug" | "runtimes">): readonly string[] {
  const more = [...(debug ? [DEBUG_PACKAGE] : []), ...runtimePackages(runtimes)];
  return [...new Set([...LIBRARY_PACKAGES, ...NETWORK_PACKAGES, ...FILE_SYSTEM_PACKAGES, ...more])];
}

/** Returns the image's content: base files, then the recipe's sources, then guestd's own files. */
export async function imageTree(contents: ImageContents): Promise<{ tree: Tree; components: readonly Component[] }> {
  const { packageOf } = contents;
  const packages = await Promise.all(imagePackages(contents).map((name) => packageOf(name)));
  const network = await networkTools(packageOf);
  const fileSystems = await fileSystemTools(packageOf);
  const runtimes = await runtimePrograms(contents.runtimes, packageOf);
  const node = await readFile(contents.node);
  const sysNode = await readFile(contents.sysNode);
  const seccompNode = await readFile(contents.seccompNode);
  const all = await mergeTars(packages.map((one) => packageTar(one, (path) => (isLibrary(path) ? path : undefined))));
  const libraries = neededPart(
    all,
    new Map([
      ["node", node],
      ["sys.node", sysNode],
      ["seccomp.node", seccompNode],
      ...filesOf(network),
      ...filesOf(fileSystems),
      ...[...runtimes].filter(([name]) => name !== "runsc"), // Go links it statically.
    ]),
  );
  const agent: Tree = new Map();
  for (const path of contents.agentFiles) agent.set(`usr/lib/guestd/${basename(path)}`, plain(await readFile(path)));
  agent.set("usr/lib/guestd/sys.node", plain(sysNode));
  agent.set("usr/lib/guestd/seccomp.node", plain(seccompNode));
  agent.set("usr/lib/guestd/container-init", program(await readFile(contents.containerInit)));
  agent.set("usr/lib/guestd/keep-core", program(await readFile(contents.keepCore)));
  if (contents.rego !== undefined) agent.set("usr/lib/guestd/rego.wasm", plain(await readFile(contents.rego)));
  agent.set("usr/lib/guestd/node-options", plain(Buffer.from(NODE_OPTIONS.map((option) => `${option}\n`).join(""))));
  const parts = new Map<string, Tree>([
    ["libraries", libraries],
    ["network tools", network],
    ["file system tools", fileSystems],
    ["node", new Map([["usr/bin/node", program(node)]])],
    ["init", new Map([[INIT, program(await readFile(contents.init))]])],
    ["agent", agent],
    // Hosts that let the guest pull images expect it there.
    ["pause", new Map([["pause_bundle/rootfs/pause", program(await readFile(contents.pause))]])],
  ]);
  for (const [name, content] of runtimes) {
    parts.set(name, new Map([[`usr/lib/guestd/runtimes/${name}`, program(content)]]));
  }
  if (contents.debug) parts.set("busybox", await busybox(packageOf));
  const base: Tree = new Map(baseFiles(contents.version));
  const tree: Tree = new Map(base);
  const added = await contents.addSources(tree);
  const overlay = new TreeOverlay(tree);
  for (const part of parts.values()) overlay.putTree(part);
  if (tree.get("sbin")?.type !== "symlink" || tree.get(INIT) !== parts.get("init")?.get(INIT)) {
    throw new BuildError("image: a source removes /sbin, where init has to be: keep it as a link to usr/sbin");
  }
  const components = [["base files", base] as const, ...parts].map(([name, part]) => ({ name, bytes: bytesOf(part) }));
  return { tree, components: [...components, ...added] };
}

async function busybox(packageOf: PackageGetter): Promise<Tree> {
  const keep = (path: string) => (path === "usr/bin/busybox" ? path : undefined);
  const tree = await mergeTars([packageTar(await packageOf(DEBUG_PACKAGE), keep)]);
  tree.set("usr/bin/sh", { type: "symlink", target: "busybox" });
  return tree.set("usr/sbin/modprobe", { type: "symlink", target: "../bin/busybox" });
}

/** True for a shared library or the dynamic loader. */
function isLibrary(path: string): boolean {
  return /^usr\/(lib|lib64)\/([^/]+\/)?[^/]+\.so(\.[^/]+)?$/.test(path);
}

function program(content: Buffer) {
  return { type: "file", mode: 0o755, content } as const;
}

function plain(content: Buffer) {
  return { type: "file", mode: 0o644, content } as const;
}

export function bytesOf(tree: Tree): number {
  return filesOf(tree).reduce((sum, [, content]) => sum + content.length, 0);
}

function filesOf(tree: Tree): readonly (readonly [path: string, content: Buffer])[] {
  return [...tree].flatMap(([path, entry]) => (entry.type === "file" ? [[path, entry.content] as const] : []));
}
