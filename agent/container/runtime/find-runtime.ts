import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";

/** The annotation of a container's spec that names the OCI runtime to make it. */
const RUNTIME_ANNOTATION = "guestd.runtime";

const RUNTIMES = ["crun", "runc", "runsc"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

const DIRECTORIES = ["/usr/lib/guestd/runtimes", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/local/sbin"];

/** Undefined when the spec asks for none: then the built-in launcher makes the container. */
export function askedRuntime(annotations: Readonly<Record<string, string>>): RuntimeName | undefined {
  const asked = annotations[RUNTIME_ANNOTATION];
  if (asked === undefined || asked === "") return undefined;
  const name = RUNTIMES.find((known) => known === asked);
  if (name === undefined) {
    const known = RUNTIMES.join(", ");
    const message = `OCI spec: annotations["${RUNTIME_ANNOTATION}"] "${asked}" is not a known runtime; known are ${known}`;
    throw new AgentError("invalid-argument", message);
  }
  return name;
}

/** The spec names a runtime, known or not. */
export function asksForRuntime(annotations: Readonly<Record<string, string>>): boolean {
  return (annotations[RUNTIME_ANNOTATION] ?? "") !== "";
}

/** Path of its program in the guest. */
export function findRuntime(files: Files, name: RuntimeName): string {
  const path = DIRECTORIES.map((directory) => `${directory}/${name}`).find((each) => files.exists(each));
  if (path !== undefined) return path;
  const where = DIRECTORIES.join(", ");
  const message = `runtime ${name} is not in this guest (looked in ${where}); build the image with --with-runtime ${name}`;
  throw new AgentError("failed-precondition", message, { fields: { runtime: name } });
}
