import type { Files } from "../kernel/files.ts";
import { bundleConfig } from "./runtime/bundle-config.ts";
import type { Spec } from "./spec.ts";

/** Version of the OCI runtime spec in the state that hooks read. */
export const OCI_VERSION = "1.2.0";

/** Returns the path of a container's bundle for hosts and hooks. The container's storages may be mounted below it. */
export function bundlePath(id: string): string {
  return `/run/kata-containers/${id}`;
}

/**
 * Creates the bundle directory with config.json. Only containers with hooks have one, because nothing else reads it.
 */
export function makeBundle(files: Files, id: string, spec: Spec): void {
  files.makeDirectory(bundlePath(id));
  files.replace(`${bundlePath(id)}/config.json`, bundleConfig(spec, spec.linux.cgroupsPath));
}

/** Removes config.json, and the directory if it is then empty: the host's files and mounts in it stay. */
export function removeBundle(files: Files, id: string): void {
  files.removeTree(`${bundlePath(id)}/config.json`);
  try {
    files.removeDirectory(bundlePath(id));
  } catch {
    // It isn't empty, or doesn't exist.
  }
}
