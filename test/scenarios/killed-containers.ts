import { expect } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { ociSpec } from "./oci.ts";
import type { OpenLine } from "./open-line.ts";

/** All containers use it: it is mounted with the first and unmounted with the last. */
const STORAGE = { driver: "ephemeral", source: "shared", fstype: "tmpfs", mount_point: "/run/shared-by-containers" };

/** Results that the agent reported to a host. They must hold whatever happens to the agent. */
interface Reported {
  readonly code: number;
  started: boolean;
  readonly execs: Map<string, number>;
}

/**
 * Containers that are created, started, executed in, waited for and removed, and the results that hosts got for them.
 */
export class KilledContainers {
  created = 0;
  readonly #rootfs: string;
  readonly #stopped: () => boolean;
  readonly #reported = new Map<string, Reported>();

  constructor(rootfs: string, stopped: () => boolean) {
    this.#rootfs = rootfs;
    this.#stopped = stopped;
  }

  /** Creates containers until the load stops. Every second one is left to `check`. */
  async run(line: OpenLine, worker: number): Promise<void> {
    for (let round = 1; !this.#stopped(); round++) {
      const code = worker * 50 + (round % 50);
      const container_id = `load-${worker}-${round}-${Date.now().toString(36)}`;
      const OCI = ociSpec(this.#rootfs, ["sh", "-c", `sleep 0.${1 + (round % 3)}; exit ${code}`]);
      const created = await line.call(({ agent }) => agent.createContainer({ container_id, OCI, storages: [STORAGE] }));
      if (created === undefined) {
        await removeContainer(line, container_id);
        continue;
      }
      this.created++;
      const mine: Reported = { code, started: false, execs: new Map() };
      this.#reported.set(container_id, mine);
      await line.call(({ agent }) => agent.pauseContainer({ container_id }));
      await line.call(({ agent }) => agent.resumeContainer({ container_id }));
      await line.call(({ agent }) => agent.updateContainer({ container_id, resources: {} }));
      const process = { Args: ["sh", "-c", `exit ${code + 1}`], Env: ["PATH=/bin"], Cwd: "/" };
      const executed = await line.call(({ agent }) => agent.execProcess({ container_id, exec_id: "x", process }));
      if (executed !== undefined) mine.execs.set("x", code + 1);
      mine.started = (await line.call(({ agent }) => agent.startContainer({ container_id }))) !== undefined;
      if (round % 2 === 0) await this.#verify(line, container_id, mine);
    }
  }

  /** Verifies and removes the remaining containers. */
  async check(line: OpenLine): Promise<void> {
    for (const [id, reported] of [...this.#reported]) await this.#verify(line, id, reported);
  }

  /** Expects all reported results to be true, and removes the container. */
  async #verify(line: OpenLine, container_id: string, { code, started, execs }: Reported): Promise<void> {
    // If the response to a start was lost, a second start is refused if the first one succeeded.
    const start = ({ agent }: AgentClient) => agent.startContainer({ container_id }).catch(startedAlready);
    if (!started) await line.callUntilAnswered(start);
    for (const [exec_id, status] of [...execs, ["", code] as const]) {
      const waited = await line.callUntilAnswered(({ agent }) => agent.waitProcess({ container_id, exec_id }));
      expect(waited, `${container_id} "${exec_id}"`).toMatchObject({ status });
    }
    this.#reported.delete(container_id);
    await removeContainer(line, container_id);
  }
}

/** Removes a container; also succeeds if it was removed before or its creation was rolled back. */
export async function removeContainer(line: OpenLine, container_id: string): Promise<void> {
  await line.callUntilAnswered(({ agent }) => agent.removeContainer({ container_id }).catch(notFound));
}

function notFound(error: { kind?: string }): object {
  if (error.kind !== "not-found") throw error;
  return {};
}

function startedAlready(error: Error): object {
  if (!/started already|has ended/.test(error.message)) throw error;
  return {};
}
