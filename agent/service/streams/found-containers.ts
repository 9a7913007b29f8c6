import type { Sandbox } from "../../sandbox/sandbox.ts";

/** A process that an agent has found at its start. */
export interface FoundProcess {
  readonly exec: string;
  readonly started: boolean;
  /** Set if it had ended. */
  readonly ended?: { readonly code: number; readonly signal: number };
}

/** A container that an agent has found at its start. */
export interface FoundContainer {
  readonly id: string;
  readonly first: FoundProcess;
  readonly execs: readonly FoundProcess[];
}

/** Returns the containers of the last agent with their processes as they are now. */
export function foundContainers({ containers }: Pick<Sandbox, "containers">): FoundContainer[] {
  return containers.map(({ id, init, processes }) => ({
    id,
    first: found(init),
    execs: processes.filter((process) => process !== init).map(found),
  }));
}

function found({ execId, release, status }: Sandbox["containers"][number]["init"]): FoundProcess {
  const process = { exec: execId, started: release === undefined };
  return status === undefined ? process : { ...process, ended: { code: status.code, signal: status.signal } };
}
