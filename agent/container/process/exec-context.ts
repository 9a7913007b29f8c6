import type { Files } from "../../kernel/files.ts";
import { seccompFilter } from "../seccomp/seccomp-filter.ts";
import type { NamespaceSpec, Spec } from "../spec.ts";
import type { ProcessContext } from "./compile-process.ts";
import { personaOf } from "./personality.ts";
import { type HasLabel, securityModules } from "./security-labels.ts";

/** Settings that an exec takes from its container, not from its own request. */
export type ExecContext = Omit<ProcessContext, "env" | "inUser"> & {
  readonly hasLabel: HasLabel;
  readonly namespaces: readonly NamespaceSpec[];
};

export function execContext(files: Files, { linux }: Spec): ExecContext {
  return {
    hasLabel: securityModules(files),
    persona: personaOf(linux.personality),
    namespaces: linux.namespaces,
    seccomp: linux.seccomp && seccompFilter(linux.seccomp),
  };
}
