import { existsSync, rmSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { isAlive } from "../../lib/process-owner.ts";
import { removeTree } from "../../lib/remove-tree.ts";
import { OperationError } from "../operation-error.ts";
import { PodNamespace } from "./pod-namespace.ts";
import { readRecord } from "./shim-place.ts";

const POLL_MS = 20;
const END_MS = 5000;

/** Ends the shim whose record is in the bundle, with its guest, and removes its files. Does nothing for other bundles. */
export async function deleteShim(bundle: string): Promise<void> {
  const record = readRecord(bundle);
  if (record === undefined) return;
  const { owner, socket, folder, network } = record;
  if (isAlive(owner)) process.kill(owner.pid, "SIGKILL");
  for (const end = Date.now() + END_MS; isAlive(owner); await setTimeout(POLL_MS)) {
    if (Date.now() > end) throw new OperationError(`shim ${owner.pid}: it doesn't end; kill it`);
  }
  await removeTree(folder);
  rmSync(socket, { force: true });
  if (network !== undefined && existsSync(network)) await new PodNamespace(network).clear();
}
