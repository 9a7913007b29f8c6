import { expect } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { ociSpec } from "./oci.ts";
import type { OpenLine } from "./open-line.ts";

/** All containers use it: it is mounted with the first and gone with the last. */
const STORAGE = { driver: "ephemeral", source: "shared", fstype: "tmpfs", mount_point: "/run/shared-by-containers" };

/** What a host was told: these must be there, whatever happens to the agent. */
interface Told {
  readonly code: number;
  started: boolean;
  readonly execs: Map<string, number>;
}

/** Containers that are created, started, executed in, waited for and removed, and what their hosts were told of them. */
export class KilledContainers {
  created = 0;
  readonly #rootfs: string;
  readonly #stopped: () => boolean;
  readonly #told = new Map<string, Told>();

  constructor(rootfs: string, stopped: () => boolean) {
    this.#rootfs = rootfs;
    this.#stopped = stopped;
  }

  /** Every second one is left to `check`. */
  async make(line: OpenLine, maker: number): Promise<void> {
    for (let round = 1; !this.#stopped(); round++) {
      const code = maker * 50 + (round % 50);
      const container_id = `load-${maker}-${round}-${Date.now().toString(36)}`;
      const OCI = ociSpec(this.#rootfs, ["sh", "-c", `sleep 0.${1 + (round % 3)}; exit ${code}`]);
      const created = await line.ask(({ agent }) => agent.createContainer({ container_id, OCI, storages: [STORAGE] }));
      if (created === undefined) {
        await removeContainer(line, container_id);
        continue;
      }
      this.created++;
      const mine: Told = { code, started: false, execs: new Map() };
      this.#told.set(container_id, mine);
      await line.ask(({ agent }) => agent.pauseContainer({ container_id }));
      await line.ask(({ agent }) => agent.resumeContainer({ container_id }));
      await line.ask(({ agent }) => agent.updateContainer({ container_id, resources: {} }));
      const process = { Args: ["sh", "-c", `exit ${code + 1}`], Env: ["PATH=/bin"], Cwd: "/" };
      const executed = await line.ask(({ agent }) => agent.execProcess({ container_id, exec_id: "x", process }));
      if (executed !== undefined) mine.execs.set("x", code + 1);
      mine.started = (await line.ask(({ agent }) => agent.startContainer({ container_id }))) !== undefined;
      if (round % 2 === 0) await this.#verify(line, container_id, mine);
    }
  }

  /** What is left. */
  async check(line: OpenLine): Promise<void> {
    for (const [id, told] of [...this.#told]) await this.#verify(line, id, told);
  }

  /** Everything that was told is true. */
  async #verify(line: OpenLine, container_id: string, { code, started, execs }: Told): Promise<void> {
    // Nobody knows of a start whose answer was lost; a second one is refused if it was done.
    const start = ({ agent }: AgentClient) => agent.startContainer({ container_id }).catch(startedAlready);
    if (!started) await line.askAgain(start);
    for (const [exec_id, status] of [...execs, ["", code] as const]) {
      const waited = await line.askAgain(({ agent }) => agent.waitProcess({ container_id, exec_id }));
      expect(waited, `${container_id} "${exec_id}"`).toMatchObject({ status });
    }
    this.#told.delete(container_id);
    await removeContainer(line, container_id);
  }
}

/** Also where it was removed before, or its creation was undone. */
export async function removeContainer(line: OpenLine, container_id: string): Promise<void> {
  await line.askAgain(({ agent }) => agent.removeContainer({ container_id }).catch(notFound));
}

function notFound(error: { kind?: string }): object {
  if (error.kind !== "not-found") throw error;
  return {};
}

function startedAlready(error: Error): object {
  if (!/started already|has ended/.test(error.message)) throw error;
  return {};
}
