import type { Files } from "../kernel/files.ts";
import { bundleConfig } from "./runtime/bundle-config.ts";
import type { Spec } from "./spec.ts";

/** Of the state that hooks read. */
export const OCI_VERSION = "1.2.0";

/** Where hosts and hooks look for a container's bundle. Storages of the container may be mounted below it. */
export function bundlePath(id: string): string {
  return `/run/kata-containers/${id}`;
}

/** The bundle directory with config.json: only a container with hooks has one, for nobody else reads it. */
export function makeBundle(files: Files, id: string, spec: Spec): void {
  files.makeDirectory(bundlePath(id));
  files.replace(`${bundlePath(id)}/config.json`, bundleConfig(spec, spec.linux.cgroupsPath));
}

/** What others put there, or mounted there, stays. */
export function removeBundle(files: Files, id: string): void {
  files.removeTree(`${bundlePath(id)}/config.json`);
  try {
    files.removeDirectory(bundlePath(id));
  } catch {
    // Not ours alone, or gone.
  }
}
