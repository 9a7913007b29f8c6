import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";

const KINDS = ["Prestart", "CreateRuntime", "CreateContainer", "StartContainer", "Poststart", "Poststop"] as const;

/** Returns the probe as a hook that writes a file to the container's /log. */
function hook(kind: (typeof KINDS)[number], more: readonly string[], env: readonly string[]): Init<grpc.Hook> {
  const root = kind === "StartContainer" ? "" : "ROOTFS";
  const name = kind.replace(/^./, (first) => first.toLowerCase());
  return { Path: `${root}/probe`, Args: ["hook-name", "hook", name, `${root}/log/${name}`, ...more], Env: env };
}

export const arbitraryHooks: fc.Arbitrary<Init<grpc.Hooks>> = fc
  .record({
    kinds: fc.subarray([...KINDS]),
    more: fc.array(fc.constantFrom("a", "two words", ""), { maxLength: 2 }),
    env: fc.subarray(["A=1", "B=", "PATH=/x"]),
  })
  .map(({ kinds, more, env }) => Object.fromEntries(kinds.map((kind) => [kind, [hook(kind, more, env)]])));

export function everyHook(): Init<grpc.Hooks> {
  return Object.fromEntries(KINDS.map((kind) => [kind, [hook(kind, [], ["A=1"])]]));
}
