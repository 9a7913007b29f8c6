import type { Machine } from "../scenarios/machine.ts";

/** A process in new namespaces for a single container, so that settings in them show nowhere else. */
export interface Keeper {
  readonly pid: number;
  /** Names for the links of its namespaces. */
  readonly names: ReadonlyMap<string, string>;
}

const BATCH = 12;
const TYPES = ["ipc", "net", "uts"];

/** Starts keepers in batches, because a shell in a guest is slow. They end with the machine. */
export class Keepers {
  readonly #machine: Machine;
  #batch: Promise<Keeper[]> | undefined;
  /** Pids of keepers whose containers have ended. */
  #released: number[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async take(): Promise<Keeper> {
    for (;;) {
      this.#batch ??= this.#start();
      const keeper = (await this.#batch).pop();
      if (keeper !== undefined) return keeper;
      this.#batch = undefined;
    }
  }

  /** Releases a keeper whose container has ended. */
  release({ pid }: Keeper): void {
    this.#released.push(pid);
  }

  async #start(): Promise<Keeper[]> {
    const links = TYPES.map((type) => `$(readlink /proc/$p/ns/${type})`).join(" ");
    // In its own session, because the shell's ends with its console.
    const keep = "exec unshare -u -i -n -p -f sleep 100000 </dev/null >/dev/null 2>&1";
    const ended = this.#released.splice(0).map((pid) => `/proc/${pid}/task/*/children`);
    const lines = [
      ended.length === 0 ? "true" : `kill -9 $(cat ${ended.join(" ")}) 2>/dev/null`,
      `pids=$(for i in $(seq ${BATCH}); do setsid sh -c 'echo $$; ${keep}' & done)`,
      // Waits until each has forked the first process of its pid namespace.
      `for p in $pids; do until test -n "$(cat /proc/$p/task/*/children)"; do sleep 0.05; done; echo $p ${links}; done`,
    ];
    const text = await this.#machine.shell(lines.join("; "));
    return text
      .trim()
      .split("\n")
      .map((line): Keeper => {
        const [pid = "", ...its] = line.split(" ");
        return { pid: Number(pid), names: new Map(its.map((link) => [link, "the keeper's"])) };
      });
  }
}
