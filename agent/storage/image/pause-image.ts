import { cp, stat } from "node:fs/promises";
import { AgentError } from "../../kernel/error.ts";

/** Location of the pause container's bundle in the guest's image. */
const PAUSE_BUNDLE = "/pause_bundle";

/** Copies the root of the pause container, which comes with the guest image instead of a registry. */
export async function copyPauseImage(directory: string, bundle: string = PAUSE_BUNDLE): Promise<void> {
  const root = `${bundle}/rootfs`;
  const found = await stat(root).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    const what = "put the pause image's files there, or have the host give the pause container's root";
    throw new AgentError("failed-precondition", `pause image: the guest's image has no directory ${root}; ${what}`);
  }
  await cp(root, directory, { recursive: true, verbatimSymlinks: true });
}
