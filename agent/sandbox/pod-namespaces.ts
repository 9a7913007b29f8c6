import type { NamespaceSpec } from "../container/spec.ts";
import { sharedNamespacePaths } from "./shared-namespaces.ts";

/** What the sandbox knows when a container's namespaces are settled. */
export interface PodNamespaces {
  /** The request wants the sandbox's pid namespace. */
  readonly sharePid: boolean;
  /** Path of it; undefined where there is none to join, so that a new one is made. */
  readonly pidPath: string | undefined;
}

/**
 * The namespaces of a container in the pod: ipc and uts are the sandbox's (unless a path is given), pid is the
 * sandbox's, or the one of a path (no Kata host sends one), or new; the others stay as the host sent them. A cgroup namespace is always there: hosts take it out
 * of the list, and without one a container would see the guest's whole tree.
 */
export function podNamespaces(given: readonly NamespaceSpec[], pod: PodNamespaces): NamespaceSpec[] {
  const list = given
    .filter((namespace) => namespace.type !== "pid")
    .map((namespace) => {
      const isShared = namespace.type === "ipc" || namespace.type === "uts";
      return isShared && namespace.path === ""
        ? { ...namespace, path: sharedNamespacePaths[namespace.type as "ipc" | "uts"] }
        : namespace;
    });
  const cgroup = given.some(({ type }) => type === "cgroup") ? [] : [{ type: "cgroup", path: "" }];
  const pidPath = pod.sharePid ? pod.pidPath : given.find(({ type }) => type === "pid")?.path;
  return [...list, { type: "pid", path: pidPath ?? "" }, ...cgroup];
}
