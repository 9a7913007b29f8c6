import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";

/** Annotation in a container's spec that names its OCI runtime. */
const RUNTIME_ANNOTATION = "guestd.runtime";

const RUNTIMES = ["crun", "runc", "runsc"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

const DIRECTORIES = ["/usr/lib/guestd/runtimes", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/local/sbin"];

/** The runtime that the annotations name; undefined if they name none and the built-in runtime applies. */
export function requestedRuntime(annotations: Readonly<Record<string, string>>): RuntimeName | undefined {
  const requested = annotations[RUNTIME_ANNOTATION];
  if (requested === undefined || requested === "") return undefined;
  const name = RUNTIMES.find((known) => known === requested);
  if (name === undefined) {
    const known = RUNTIMES.join(", ");
    const message = `OCI spec: annotations["${RUNTIME_ANNOTATION}"] "${requested}" is not a known runtime; known are ${known}`;
    throw new AgentError("invalid-argument", message);
  }
  return name;
}

/** True if the spec names a runtime, known or unknown. */
export function requestsRuntime(annotations: Readonly<Record<string, string>>): boolean {
  return (annotations[RUNTIME_ANNOTATION] ?? "") !== "";
}

/** Path of the runtime's program in the guest. Throws one line if it isn't installed. */
export function findRuntime(files: Files, name: RuntimeName): string {
  const path = DIRECTORIES.map((directory) => `${directory}/${name}`).find((each) => files.exists(each));
  if (path !== undefined) return path;
  const where = DIRECTORIES.join(", ");
  const message = `runtime ${name} is not in this guest (looked in ${where}); build the image with --with-runtime ${name}`;
  throw new AgentError("failed-precondition", message, { fields: { runtime: name } });
}
