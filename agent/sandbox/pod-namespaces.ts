import type { NamespaceSpec } from "../container/spec.ts";
import { sharedNamespacePaths } from "./shared-namespaces.ts";

/** The sandbox's choices for a container's namespaces. */
export interface PodNamespaces {
  /** The request asks for the sandbox's pid namespace. */
  readonly sharePid: boolean;
  /** The container has its own uts namespace, and so a host name that no other container sees. */
  readonly ownUts?: boolean;
  /** Path of the sandbox's pid namespace; undefined if the container has to create it. */
  readonly pidPath: string | undefined;
}

/** Annotation of a container whose host name is its own if it is "own". */
const UTS = "guestd.uts";

export function hasOwnUts(annotations: Readonly<Record<string, string>>): boolean {
  return annotations[UTS] === "own";
}

/**
 * Returns the namespaces of a container in the pod. ipc and uts are the sandbox's unless a path is given; pid is the sandbox's, or
 * that of a path (no Kata host sends one), or new; the others stay as the host sent them. A cgroup namespace is always added: hosts
 * remove it from the list, and without one a container would see the guest's whole cgroup tree.
 */
export function podNamespaces(given: readonly NamespaceSpec[], pod: PodNamespaces): NamespaceSpec[] {
  const list = given
    .filter((namespace) => namespace.type !== "pid")
    .map((namespace) => {
      const isShared = namespace.type === "ipc" || (namespace.type === "uts" && !pod.ownUts);
      return isShared && namespace.path === ""
        ? { ...namespace, path: sharedNamespacePaths[namespace.type as "ipc" | "uts"] }
        : namespace;
    });
  const cgroup = given.some(({ type }) => type === "cgroup") ? [] : [{ type: "cgroup", path: "" }];
  const pidPath = pod.sharePid ? pod.pidPath : given.find(({ type }) => type === "pid")?.path;
  return [...list, { type: "pid", path: pidPath ?? "" }, ...cgroup];
}
