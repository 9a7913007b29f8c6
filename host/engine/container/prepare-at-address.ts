import { openSandbox } from "../guest/open-sandbox.ts";
import { makeSharedFolder, rootfsPlace } from "../guest/shared-folder.ts";
import { type RootfsSource, unpackRootfs } from "../image/unpack-rootfs.ts";
import { inRunningGuest, type RunningParts } from "./prepare-in-guest.ts";
import { NOWHERE, type PreparedRun } from "./prepare-run.ts";

/** Prepares a run with a rootfs that the agent at an address already has. */
export async function prepareAtAddress(address: string, rootfs: string, sandbox: OpenedSandbox): Promise<PreparedRun> {
  const place = { host: NOWHERE, guest: rootfs };
  return inSandbox({ address, rootfs: place, config: {}, remove: async () => undefined }, sandbox);
}

/**
 * Prepares a run at an agent that runs on this machine, as a service: the root file system goes to a folder of its own,
 * which is removed at the end.
 */
export async function prepareOnThisMachine(
  address: string,
  container: string,
  source: RootfsSource,
  sandbox: OpenedSandbox,
): Promise<PreparedRun> {
  const folder = await makeSharedFolder();
  try {
    const { config } = await unpackRootfs(source, folder.directory, container, { signal: sandbox.signal });
    const { host } = rootfsPlace(folder.directory, container);
    const rootfs = { host, guest: host };
    return await inSandbox({ address, rootfs, config, remove: () => folder.remove() }, sandbox);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

interface OpenedSandbox {
  readonly hostname: string;
  readonly signal: AbortSignal;
}

/** Connects to an agent that may have no sandbox yet. */
async function inSandbox(parts: RunningParts, { hostname, signal }: OpenedSandbox): Promise<PreparedRun> {
  const prepared = await inRunningGuest({ ...parts, signal });
  try {
    await openSandbox(prepared.client, { id: hostname, hostname, shared: false, signal });
    return prepared;
  } catch (error) {
    await prepared[Symbol.asyncDispose]();
    throw error;
  }
}
