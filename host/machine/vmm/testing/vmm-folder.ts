import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ApiDescription } from "./api-description.ts";
import { ScriptedVmm, type VmmModel } from "./scripted-vmm.ts";

/** Creates a folder that is removed after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "guestd-vmm-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a server on `socket` until the test's end. */
export async function testVmm(socket: string, api: ApiDescription, model: VmmModel): Promise<ScriptedVmm> {
  const vmm = await ScriptedVmm.start(socket, api, model);
  onTestFinished(() => vmm[Symbol.asyncDispose]());
  return vmm;
}
