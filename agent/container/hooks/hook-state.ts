import type { Files } from "../../kernel/files.ts";
import { bundlePath, OCI_VERSION } from "../bundle.ts";
import type { Spec } from "../spec.ts";
import type { HookKind } from "./hooks.ts";

/** The container's data that a hook may see. */
export interface HookedContainer {
  readonly id: string;
  readonly spec: Spec;
  /** Pid of its init process in the guest; absent after it has ended. */
  readonly pid?: number | undefined;
}

const STATUS: { readonly [kind in HookKind]: string } = {
  prestart: "creating",
  createRuntime: "creating",
  createContainer: "creating",
  startContainer: "created",
  poststart: "running",
  poststop: "stopped",
};

/**
 * Returns the JSON state that a hook reads on stdin. `pid` is the one that the hook sees, and absent once the process
 * has ended.
 */
export function hookState(files: Files, kind: HookKind, container: HookedContainer): string {
  const { id, spec } = container;
  const inside = kind === "createContainer" || kind === "startContainer";
  const pid = inside ? pidInside(files, container.pid) : container.pid;
  return JSON.stringify({
    ociVersion: OCI_VERSION,
    id,
    status: STATUS[kind],
    pid,
    bundle: bundlePath(id),
    annotations: spec.annotations,
  });
}

/** Returns the pid in the process's own pid namespace: the last one of its list. */
function pidInside(files: Files, pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  try {
    const numbers = /^NSpid:.*?(\d+)$/m.exec(files.readText(`/proc/${pid}/status`));
    return numbers === null ? undefined : Number(numbers[1]);
  } catch {
    return undefined; // It has just ended.
  }
}
