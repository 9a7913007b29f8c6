import type { grpc } from "../../proto/gen/messages.js";
import { DEFAULT_HOOK_TIMEOUT, type HookKind, type HookSpec, type HooksSpec } from "../container/hooks/hooks.ts";

/** Undefined when there are none, which is what a host that sends an empty message means. */
export /** A timeout of 0 and none are the same on the wire. */
function toHooks(message: grpc.Hooks | null): HooksSpec | undefined {
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

function toHook({ Path, Args, Env, Timeout }: grpc.Hook): HookSpec {
  return { path: Path, args: Args, env: Env, timeout: Number(Timeout) || DEFAULT_HOOK_TIMEOUT };
}
