import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cpioArchive } from "../../rootfs-builder/initramfs/cpio.ts";

/** Directories into which the builder has put the agent's parts. */
export interface BuiltAgent {
  /** Directory of agent.cjs and grpc.cjs. */
  readonly bundles: string;
  /** Directory of sys.node and seccomp.node. */
  readonly natives: string;
}

/**
 * Writes a bundle with a changed main part to the file `to`. It has no code caches, because V8 accepts one for any text
 * of the same length.
 */
export function makeBundle(built: BuiltAgent, to: string, change: (agent: string) => string): string {
  const files = [
    ...["agent.cjs", "grpc.cjs"].map((name) => join(built.bundles, name)),
    ...["sys.node", "seccomp.node"].map((name) => join(built.natives, name)),
  ];
  const entries = files.map((file) => {
    const content = readFileSync(file);
    const path = basename(file);
    const changed = path === "agent.cjs" ? Buffer.from(change(content.toString("latin1")), "latin1") : content;
    return { path, type: "file", mode: 0o644, content: changed } as const;
  });
  writeFileSync(to, cpioArchive(entries));
  return to;
}
