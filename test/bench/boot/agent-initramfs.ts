import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { guestKernel } from "../../../rootfs-builder/debian/kernel-package.ts";
import { type KernelModule, resolveModules } from "../../../rootfs-builder/initramfs/modules.ts";
import { rootInitrd } from "../../../rootfs-builder/initramfs/root-initrd.ts";
import { openContext } from "../../../rootfs-builder/steps/context.ts";
import { rootTree } from "../../../rootfs-builder/steps/root-tree.ts";
import type { Tree, TreeEntry } from "../../../rootfs-builder/tree/tree.ts";
import { compileC } from "../../testing/compile-c.ts";

/** Kernel modules for PCI, vsock and the shared folder, in both agents' initramfs. */
const MODULES = ["virtio_pci", "vmw_vsock_virtio_transport", "virtiofs"];
const FOLDERS = ["dev", "etc", "proc", "run", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/lib", "usr/lib/modules"];

/** An initramfs that is a whole root, compressed with gzip, as Kata's and guestd's builders make them. */
export interface AgentInitramfs {
  readonly archive: Buffer;
  /** Bytes of the files in it. */
  readonly unpacked: number;
}

/** Returns the root of this checkout's image, after `npm run build`, as an initramfs. */
export async function ownInitramfs(root: string): Promise<AgentInitramfs> {
  const { tree } = await rootTree(await openContext({ root, to: join(root, "build") }));
  return initramfs(tree);
}

/**
 * Returns an initramfs of a program that serves the contract as PID 1, as kata-agent does. It contains this machine's libraries
 * that the program is linked with, and a first stage, compiled in `directory`, that loads the kernel's modules.
 */
export async function otherInitramfs(program: string, directory: string): Promise<AgentInitramfs> {
  const first = join(directory, "first-stage");
  compileC([join(import.meta.dirname, "first-stage.c")], first);
  const files: readonly (readonly [path: string, from: string])[] = [
    ["sbin/init", first],
    ["usr/bin/agent", program],
    ...librariesOf(program).map((library) => [library.slice(1), library] as const),
  ];
  const folders = [...FOLDERS, ...files.flatMap(([path]) => parents(path))];
  const tree: Tree = new Map<string, TreeEntry>([
    ...folders.map((path) => [path, { type: "directory", mode: 0o755 }] as const),
    ...files.map(([path, from]) => [path, { type: "file", mode: 0o755, content: readFileSync(from) }] as const),
  ]);
  return initramfs(tree);
}

/** Returns the absolute path of `--beside`. Throws if no program is there. */
export function programOf(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new Error(`--beside ${path}: no program is there; give the path of a kata-agent`);
  return resolve(path);
}

async function initramfs(tree: Tree): Promise<AgentInitramfs> {
  const modules = await kernelModules();
  const files = [...tree.values(), ...modules].map((entry) => ("content" in entry ? entry.content.length : 0));
  return { archive: await rootInitrd(tree, { modules }), unpacked: files.reduce((sum, bytes) => sum + bytes, 0) };
}

async function kernelModules(): Promise<readonly KernelModule[]> {
  const { modules } = await guestKernel();
  return resolveModules(modules, MODULES, { signed: false });
}

/** Returns the paths that ldd names; none of a static program, for which it fails. */
function librariesOf(program: string): readonly string[] {
  try {
    const listed = execFileSync("ldd", [program], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return [...listed.matchAll(/^\t(?:\S+ => )?(\/\S+) \(/gm)].map(([, path = ""]) => path);
  } catch {
    return [];
  }
}

function parents(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
