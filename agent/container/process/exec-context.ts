import type { Files } from "../../kernel/files.ts";
import { seccompFilter } from "../seccomp/seccomp-filter.ts";
import type { NamespaceSpec, Spec } from "../spec.ts";
import type { ProcessContext } from "./compile-process.ts";
import { personaOf } from "./personality.ts";
import { type HasLabel, securityModules } from "./security-labels.ts";

/** What a further process has of its container rather than of its own description. */
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
