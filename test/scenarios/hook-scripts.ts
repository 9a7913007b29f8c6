import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

export type Hooks = Init<grpc.Hooks>;

/** Returns a new container id. */
export const unique = () => `hooked-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;

/** A directory in the guest with scripts that serve as hooks, and with their output. */
export class Scripts {
  readonly guest: string;
  readonly #pod: Pod;
  readonly #host: string;

  constructor(pod: Pod, name: string) {
    this.#pod = pod;
    // A root file system that no container uses, because both host and guest can see it.
    this.guest = pod.machine.rootfs(`${name}-${Date.now().toString(36)}`);
    this.#host = pod.machine.hostPath(this.guest);
    mkdirSync(join(this.#host, "out"), { mode: 0o777 });
  }

  /**
   * Writes a script that runs with the rootfs's own busybox, because a guest has no shell. Returns its path in the
   * guest.
   */
  write(name: string, body: string): string {
    writeFileSync(join(this.#host, name), `#!${this.guest}/bin/busybox sh\n${body}\n`, { mode: 0o755 });
    return `${this.guest}/${name}`;
  }

  async read(name: string): Promise<string> {
    return this.#pod.machine.shell(`cat ${this.guest}/out/${name} 2>/dev/null || true`);
  }
}

/** Creates a container with these hooks. */
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
