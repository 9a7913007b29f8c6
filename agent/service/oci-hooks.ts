import type { grpc } from "../../proto/gen/messages.js";
import { DEFAULT_HOOK_TIMEOUT, type HookKind, type HookSpec, type HooksSpec } from "../container/hooks/hooks.ts";

/** Converts hooks to the names of the OCI runtime spec; undefined if the message is empty or missing. */
export function toHooks(message: grpc.Hooks | null): HooksSpec | undefined {
  if (message === null) return undefined;
  const lists: { readonly [kind in HookKind]: readonly grpc.Hook[] } = {
    prestart: message.Prestart,
    createRuntime: message.CreateRuntime,
    createContainer: message.CreateContainer,
    startContainer: message.StartContainer,
    poststart: message.Poststart,
    poststop: message.Poststop,
  };
  const given = Object.entries(lists).filter(([, list]) => list.length > 0);
  return given.length === 0 ? undefined : Object.fromEntries(given.map(([kind, list]) => [kind, list.map(toHook)]));
}

/** On the wire, a timeout of 0 and no timeout look the same. */
function toHook({ Path, Args, Env, Timeout }: grpc.Hook): HookSpec {
  return { path: Path, args: Args, env: Env, timeout: Number(Timeout) || DEFAULT_HOOK_TIMEOUT };
}
