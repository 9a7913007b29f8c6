import { existsSync } from "node:fs";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { reason } from "../../../lib/reason.ts";
import { parseExactJson } from "../../oci/exact-json.ts";
import { MachineError } from "../machine-error.ts";
import { type CloneResources, cloneConfig } from "./clone-config.ts";

export interface CloudHypervisorClone extends CloneResources {
  /**
   * The clone's folder, which must not exist, on the template's file system and at the same path for the VMM. The
   * caller removes it after the clone's end. If a restore fails, it doesn't exist.
   */
  readonly folder: string;
  /**
   * Loads pages when the guest first uses them (v52 or later), instead of copying all of them first. Either way each
   * clone has its own copy.
   */
  readonly memory?: "on-demand";
}

/** Files of a snapshot that no VMM changes, besides config.json. */
const SHARED = ["memory-ranges", "state.json"];

/**
 * Creates the clone's folder: links to the template's memory and state, and a config.json with the clone's resources.
 * If this fails, it doesn't exist.
 */
export async function prepareClone(template: string, clone: CloudHypervisorClone): Promise<void> {
  const { folder, vsock } = clone;
  if (existsSync(vsock)) throw failure(`vsock socket ${vsock} exists; remove it if its VMM has ended`);
  if (!existsSync(dirname(vsock))) throw failure(`vsock socket ${vsock}: create its folder first`);
  const config = await readConfig(template);
  const text = JSON.stringify(cloneConfig(config, folder, clone));
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    throw failure(`folder ${folder}: ${reason(error)}; name a new folder whose parent exists`, error);
  }
  try {
    for (const file of SHARED) await link(join(template, file), join(folder, file));
    await writeFile(join(folder, "config.json"), text, { mode: 0o600, flag: "wx" });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw failure(`folder ${folder}: ${reason(error)}; use the file system of ${template}`, error);
  }
}

async function readConfig(template: string): Promise<unknown> {
  const path = join(template, "config.json");
  try {
    return parseExactJson(await readFile(path, "utf8"), path);
  } catch (error) {
    throw failure(`${reason(error)}; take the template again`, error);
  }
}

function failure(why: string, cause?: unknown): MachineError {
  return new MachineError(`clone of a Cloud Hypervisor snapshot: ${why}`, { cause });
}
