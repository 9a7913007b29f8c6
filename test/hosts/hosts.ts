import { GoShim } from "./go-shim/go-shim.ts";
import type { HostKind } from "./host-spec.ts";
import type { MakeHost } from "./kata-host.ts";
import { RuntimeRs } from "./runtime-rs/runtime-rs.ts";

export const hosts: readonly (readonly [HostKind, MakeHost])[] = [
  ["go-shim", (client, options) => new GoShim(client, options)],
  ["runtime-rs", (client, options) => new RuntimeRs(client, options)],
];
