import * as abi from "../../kernel/constants.ts";
import type { NamespaceSpec } from "../spec.ts";

/** CLONE_NEW* by OCI name; runtime-rs sends `mnt` and the Go shim `mount`. */
const FLAGS = new Map([
  ["mount", abi.CLONE_NEWNS],
  ["mnt", abi.CLONE_NEWNS],
  ["pid", abi.CLONE_NEWPID],
  ["uts", abi.CLONE_NEWUTS],
  ["ipc", abi.CLONE_NEWIPC],
  ["network", abi.CLONE_NEWNET],
  ["net", abi.CLONE_NEWNET],
  ["cgroup", abi.CLONE_NEWCGROUP],
  ["user", abi.CLONE_NEWUSER],
  ["time", abi.CLONE_NEWTIME],
]);

export interface Namespaces {
  /** CLONE_NEW* flags of the new namespaces except pid, user and time. */
  readonly create: number;
  readonly newPid: boolean;
  readonly newTime: boolean;
  /** Path of the pid namespace in which the process is created. */
  readonly pidPath?: string;
  /** Path of the user namespace; empty for a new one. */
  readonly user?: string;
  /** Namespaces to join before `create`, in order; without pid and user. */
  readonly join: readonly {
    readonly flag: number;
    readonly path: string;
    readonly type: string;
  }[];
}

type Sorted = Namespaces & { readonly refused: readonly string[]; readonly twice: readonly string[] };

/** Results by list: a container's list is sorted many times during its life. */
const sorted = new WeakMap<readonly NamespaceSpec[], Sorted>();

/** Sorts the spec's list. Unsupported types are returned in `refused`, repeated types in `twice`. */
export function sortNamespaces(list: readonly NamespaceSpec[]): Sorted {
  const known = sorted.get(list);
  if (known !== undefined) return known;
  const result = sort(list);
  sorted.set(list, result);
  return result;
}

function sort(list: readonly NamespaceSpec[]): Sorted {
  let [create, newPid, newTime, seen] = [0, false, false, 0];
  const paths: { pidPath?: string; user?: string } = {};
  const join: { flag: number; path: string; type: string }[] = [];
  const refused: string[] = [];
  const twice: string[] = [];
  for (const { type, path } of list) {
    const flag = FLAGS.get(type);
    if (flag === undefined) refused.push(type);
    else if ((seen & flag) !== 0) twice.push(type);
    else if (flag === abi.CLONE_NEWUSER) paths.user = path;
    else if (flag === abi.CLONE_NEWPID && path === "") newPid = true;
    else if (flag === abi.CLONE_NEWPID) paths.pidPath = path;
    else if (flag === abi.CLONE_NEWTIME && path === "") newTime = true;
    else if (path === "") create |= flag;
    else if (flag === abi.CLONE_NEWNS) refused.push(`${type} by path`);
    else join.push({ flag, path, type });
    seen |= flag ?? 0;
  }
  return { create, newPid, newTime, join, refused, twice, ...paths };
}
