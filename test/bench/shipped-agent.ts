import { execFileSync } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { NODE_OPTIONS } from "../../rootfs-builder/image/contents.ts";
import { packagedNode } from "../../rootfs-builder/image/stripped-node.ts";
import { agentFiles, bundleStep, codeCacheStep } from "../../rootfs-builder/steps/agent-steps.ts";
import { openContext } from "../../rootfs-builder/steps/context.ts";

/**
 * Builds the agent as the image ships it (one bundle, its code cache, launcher, sys.node) in a folder of the bench's own
 * with the addons as `npm run build` made them, and gives the command that init executes in a guest: the Node of the package with its options, and the launcher.
 */
export async function buildShippedAgent(root: string, to: string): Promise<readonly string[]> {
  await mkdir(join(to, "image"), { recursive: true });
  const context = await openContext({ root, to });
  await bundleStep(context).build();
  await codeCacheStep(context).build();
  for (const file of agentFiles(context).filter((path) => dirname(path) !== join(to, "agent"))) {
    await copyFile(file, join(to, "agent", basename(file)));
  }
  for (const addon of ["sys.node", "seccomp.node"]) {
    await copyFile(join(root, "build/native", addon), join(to, "agent", addon));
  }
  // Pages of a file that wait to be written count as an agent's own once it has mapped them.
  execFileSync("sync", ["--file-system", to]);
  return [packagedNode(), ...NODE_OPTIONS, join(to, "agent/launcher.cjs")];
}
