import type { FileServer } from "./file-server.ts";
import { ServedFiles } from "./served-files.ts";

/** Most servers that wait for their next container. */
const MAX_IDLE = 4;

export interface LookUpOptions {
  /** Forks a server that belongs to a container. Throws if the container may have no more. */
  start(container: string): FileServer;
  /** Gives an idle server to a container. Throws if the container may have no more. */
  give(server: FileServer, container: string): void;
  /** Takes a server back from its container. */
  takeBack(server: FileServer): void;
  /** How long an idle server waits for its next container, ms. */
  readonly idleMs: number;
}

interface LookUps {
  readonly server: FileServer;
  readonly files: ServedFiles;
  users: number;
  idle?: NodeJS.Timeout;
}

/**
 * Servers that look up files of any container, each for one container at a time: no fork delays a look-up while one of
 * them is idle. One that is held, or has anything left open, is never given to another container.
 */
export class LookUpServers {
  readonly #options: LookUpOptions;
  /** By the container that they work for. */
  readonly #working = new Map<string, LookUps>();
  /** The one that has been idle for longest comes first. */
  #idle: LookUps[] = [];

  constructor(options: LookUpOptions) {
    this.#options = options;
  }

  async run<T>(container: string, calls: (files: ServedFiles) => Promise<T>): Promise<T> {
    const taken = this.#take(container);
    taken.users += 1;
    try {
      return await calls(taken.files);
    } finally {
      taken.users -= 1;
      if (taken.users === 0) this.#release(container, taken);
    }
  }

  #take(container: string): LookUps {
    const working = this.#working.get(container);
    if (working !== undefined && !working.server.isClosed) return working;
    const taken = this.#reuse(container) ?? this.#fork(container);
    this.#working.set(container, taken);
    return taken;
  }

  #reuse(container: string): LookUps | undefined {
    const idle = this.#idle.findLast(({ server }) => !server.isClosed);
    if (idle === undefined) return undefined;
    this.#options.give(idle.server, container);
    this.#forget(idle);
    return idle;
  }

  #fork(container: string): LookUps {
    const server = this.#options.start(container);
    return { server, files: new ServedFiles(server), users: 0 };
  }

  #release(container: string, taken: LookUps): void {
    if (this.#working.get(container) === taken) this.#working.delete(container);
    if (taken.server.isClosed) return;
    if (taken.files.size > 0) {
      taken.server.close();
      return;
    }
    this.#options.takeBack(taken.server);
    const [oldest] = this.#idle;
    if (oldest !== undefined && this.#idle.length >= MAX_IDLE) this.#end(oldest);
    this.#idle.push(taken);
    taken.idle = setTimeout(() => this.#end(taken), this.#options.idleMs).unref();
  }

  #end(idle: LookUps): void {
    this.#forget(idle);
    idle.server.close();
  }

  #forget(idle: LookUps): void {
    clearTimeout(idle.idle);
    this.#idle = this.#idle.filter((each) => each !== idle);
  }
}
