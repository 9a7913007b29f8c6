import { join } from "node:path";
import type { Machine } from "../../scenarios/machine.ts";
import { compileC } from "../../testing/compile-c.ts";

/** Mounts a file system that never responds at `path` on the machine. It ends with the machine. */
export async function hungMount(machine: Machine & { readonly directory: string }, path: string): Promise<void> {
  const program = join(machine.directory, "hung-mount");
  compileC([join(import.meta.dirname, "hung-mount.c")], program);
  const lines = [
    `mkdir -p ${path}`,
    "[ -e /dev/fuse ] || mknod /dev/fuse c 10 229",
    `setsid ${program} ${path} </dev/null >/dev/null 2>&1 &`,
    `for i in $(seq 100); do grep -q '^hung ${path} ' /proc/mounts && exit 0; sleep 0.05; done; exit 1`,
  ];
  await machine.shell(lines.join("\n"));
}
