import { AgentError } from "../../kernel/error.ts";

/** Hook kinds of the OCI runtime spec 1.2, in the order in which they run. */
export const HOOK_KINDS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;
export type HookKind = (typeof HOOK_KINDS)[number];

/** Default timeout in seconds, by contract. */
export const DEFAULT_HOOK_TIMEOUT = 10;

export interface HookSpec {
  readonly path: string;
  /** Arguments, beginning with the program's name. If empty, that name is the path. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** In seconds. */
  readonly timeout: number;
}

/** Hooks by kind; a kind without hooks is absent. */
export type HooksSpec = { readonly [kind in HookKind]?: readonly HookSpec[] };

/** Kinds that run during CreateContainer, in this order. */
export const CREATE_HOOKS = ["prestart", "createRuntime", "createContainer"] as const satisfies readonly HookKind[];

export function hasCreateHooks(hooks: HooksSpec | undefined): boolean {
  return hooks !== undefined && CREATE_HOOKS.some((kind) => hooks[kind] !== undefined);
}

/** Appends the hooks of `more` to those of `hooks`, kind by kind; undefined if there are none. */
export function mergeHooks(hooks: HooksSpec | undefined, more: HooksSpec | undefined): HooksSpec | undefined {
  if (hooks === undefined || more === undefined) return hooks ?? more;
  const merged: { [kind in HookKind]?: readonly HookSpec[] } = { ...hooks };
  for (const kind of HOOK_KINDS) {
    const list = more[kind];
    if (list !== undefined) merged[kind] = [...(hooks[kind] ?? []), ...list];
  }
  return merged;
}

/** Throws a one-line error that names the first invalid hook. */
export function checkHooks(hooks: HooksSpec | undefined): void {
  if (hooks === undefined) return;
  for (const kind of HOOK_KINDS) {
    for (const [index, { path, args, env, timeout }] of (hooks[kind] ?? []).entries()) {
      const refuse = (why: string) => new AgentError("invalid-argument", `OCI spec: hooks.${kind}[${index}] ${why}`);
      if (!path.startsWith("/")) throw refuse(`path "${path}" is not an absolute path`);
      if ([path, ...args, ...env].some((text) => text.includes("\0"))) throw refuse("has a NUL byte in it");
      if (!(timeout > 0)) throw refuse(`timeout ${timeout} is not above zero`);
    }
  }
}
