import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

export type Hooks = Init<grpc.Hooks>;

/** An id of a container. */
export const unique = () => `hooked-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;

/** A directory of the guest with scripts that serve as hooks, and what they wrote. */
export class Scripts {
  readonly guest: string;
  readonly #pod: Pod;
  readonly #host: string;

  constructor(pod: Pod, name: string) {
    this.#pod = pod;
    // A root file system that no container uses: hosts and guests both see it.
    this.guest = pod.machine.rootfs(`${name}-${Date.now().toString(36)}`);
    this.#host = pod.machine.hostPath(this.guest);
    mkdirSync(join(this.#host, "out"), { mode: 0o777 });
  }

  /** Runs with the rootfs's own busybox, for a guest has no shell of its own. */
  write(name: string, body: string): string {
    writeFileSync(join(this.#host, name), `#!${this.guest}/bin/busybox sh\n${body}\n`, { mode: 0o755 });
    return `${this.guest}/${name}`;
  }

  async read(name: string): Promise<string> {
    return this.#pod.machine.shell(`cat ${this.guest}/out/${name} 2>/dev/null || true`);
  }
}

/** A container with these hooks, created. */
export async function createHooked(
  pod: Pod,
  id: string,
  Hooks: Hooks,
  args: readonly string[] = ["sleep", "1000"],
  parts: Init<grpc.Spec> = {},
): Promise<void> {
  const rootfs = parts.Root?.Path ?? pod.machine.rootfs(id);
  const OCI = ociSpec(rootfs, args, { Hooks, Annotations: { colour: "green" }, ...parts });
  await pod.client.agent.createContainer({ container_id: id, OCI });
}
