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

/** Packages that hold the libraries of Node; of each only what is needed comes in. */
export const LIBRARY_PACKAGES = ["libc6", "libgcc-s1", "libstdc++6"];
const DEBUG_PACKAGE = "busybox-static";
const INIT = "usr/sbin/init";

/** One per line, as init reads them: small heaps, no threads that wait for work that never comes, no debugger by a signal. */
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
  /** With libseccomp; only an agent that compiles a filter loads it. */
  readonly seccompNode: string;
  /** What a pause container runs. */
  readonly pause: string;
  /** launcher, bundle and caches: all go to /usr/lib/guestd under their own names. */
  readonly agentFiles: readonly string[];
  /** With a shell and busybox's tools. The default image has none. */
  readonly debug: boolean;
  /** Path of the Rego engine; the default image has none. */
  readonly rego?: string | undefined;
  /** Further OCI runtimes. The default image has none. */
  readonly runtimes: readonly RuntimeName[];
  readonly packageOf: PackageGetter;
  /** Puts what a recipe adds on the base files; what is guestd's own comes on top of it. */
  readonly addSources: (tree: Tree) => Promise<readonly Component[]>;
}

export interface Component {
  readonly name: string;
  readonly bytes: number;
}

/** Debian packages of which something is in the image. */
export function imagePackages({ debug, runtimes }: Pick<ImageContents, "debug" | "runtimes">): readonly string[] {
  const more = [...(debug ? [DEBUG_PACKAGE] : []), ...runtimePackages(runtimes)];
  return [...new Set([...LIBRARY_PACKAGES, ...NETWORK_PACKAGES, ...FILE_SYSTEM_PACKAGES, ...more])];
}

/** All that the image holds: base files, the sources of its recipe, then what is ours. */
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
      ...[...runtimes].filter(([name]) => name !== "runsc"), // Go's linker leaves nothing to load
    ]),
  );
  const agent: Tree = new Map();
  for (const path of contents.agentFiles) agent.set(`usr/lib/guestd/${basename(path)}`, plain(await readFile(path)));
  agent.set("usr/lib/guestd/sys.node", plain(sysNode));
  agent.set("usr/lib/guestd/seccomp.node", plain(seccompNode));
  if (contents.rego !== undefined) agent.set("usr/lib/guestd/rego.wasm", plain(await readFile(contents.rego)));
  agent.set("usr/lib/guestd/node-options", plain(Buffer.from(NODE_OPTIONS.map((option) => `${option}\n`).join(""))));
  const parts = new Map<string, Tree>([
    ["libraries", libraries],
    ["network tools", network],
    ["file system tools", fileSystems],
    ["node", new Map([["usr/bin/node", program(node)]])],
    ["init", new Map([[INIT, program(await readFile(contents.init))]])],
    ["agent", agent],
    // Where hosts that let the guest get its images expect it.
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
    throw new BuildError("image: a source takes away /sbin, where init has to be: leave it as a link to usr/sbin");
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

/** Shared libraries and the dynamic loader, by name. */
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
