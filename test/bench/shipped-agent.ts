import { execFileSync } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { NODE_OPTIONS } from "../../rootfs-builder/image/contents.ts";
import { packagedNode } from "../../rootfs-builder/image/stripped-node.ts";
import { agentFiles, bundleStep, codeCacheStep } from "../../rootfs-builder/steps/agent-steps.ts";
import { openContext } from "../../rootfs-builder/steps/context.ts";

/**
 * Builds the agent as shipped in the image (one bundle, its code cache, launcher, sys.node) in a separate folder, with
 * the addons from `npm run build`. Returns the command that init executes in a guest: the packaged Node with its
 * options, and the launcher.
 */
export async function buildShippedAgent(root: string, to: string): Promise<readonly string[]> {
  await mkdir(join(to, "image"), { recursive: true });
  const context = await openContext({ root, to });
  await bundleStep(context).build();
  await codeCacheStep(context).build();
  for (const file of agentFiles(context).filter((path) => dirname(path) !== join(to, "agent"))) {
    await copyFile(file, join(to, "agent", basename(file)));
  }
  for (const file of ["sys.node", "seccomp.node", "container-init"]) {
    await copyFile(join(root, "build/native", file), join(to, "agent", file));
  }
  // Write the files back: dirty pages of a file would count as the agent's own once mapped.
  execFileSync("sync", ["--file-system", to]);
  return shippedCommand(to);
}

/** Returns the command of the agent that was built in a folder. */
export function shippedCommand(to: string): readonly string[] {
  return [packagedNode(), ...NODE_OPTIONS, join(to, "agent/launcher.cjs")];
}
