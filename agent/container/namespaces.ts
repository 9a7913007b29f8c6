import * as abi from "../kernel/constants.ts";
import type { NamespaceSpec } from "./spec.ts";

/** CLONE_NEW* by the OCI names; runtime-rs says `mnt` and the Go shim `mount`. */
const FLAGS = new Map([
  ["mount", abi.CLONE_NEWNS],
  ["mnt", abi.CLONE_NEWNS],
  ["pid", abi.CLONE_NEWPID],
  ["uts", abi.CLONE_NEWUTS],
  ["ipc", abi.CLONE_NEWIPC],
  ["network", abi.CLONE_NEWNET],
  ["net", abi.CLONE_NEWNET],
  ["cgroup", abi.CLONE_NEWCGROUP],
]);

export interface Namespaces {
  /** CLONE_NEW* of new namespaces, without pid. */
  readonly create: number;
  readonly newPid: boolean;
  /** Path of the pid namespace to be born in. */
  readonly pidPath?: string;
  /** Namespaces to join before `create`, in order. */
  readonly join: readonly {
    readonly flag: number;
    readonly path: string;
    readonly type: string;
  }[];
}

/** Sorts the spec's list. The names that it can't carry come back in `refused`. */
export function sortNamespaces(list: readonly NamespaceSpec[]): Namespaces & { readonly refused: readonly string[] } {
  let create = 0;
  let newPid = false;
  let pidPath: string | undefined;
  const join: { flag: number; path: string; type: string }[] = [];
  const refused: string[] = [];
  for (const { type, path } of list) {
    const flag = FLAGS.get(type);
    if (flag === undefined) refused.push(type);
    else if (flag === abi.CLONE_NEWPID && path === "") newPid = true;
    else if (flag === abi.CLONE_NEWPID) pidPath = path;
    else if (path === "") create |= flag;
    else if (flag === abi.CLONE_NEWNS) refused.push(`${type} by path`);
    else join.push({ flag, path, type });
  }
  return {
    create,
    newPid,
    join,
    refused,
    ...(pidPath === undefined ? {} : { pidPath }),
  };
}
