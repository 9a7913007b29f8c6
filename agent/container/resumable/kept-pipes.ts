import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openTwoWayPipe } from "../../kernel/two-way-pipe.ts";

const PREFIX = "streams:";

/** Pipes that outlive the agent: init keeps them by name, and their content is still there for the next agent. */
export class KeptPipes {
  readonly #kernel: Pick<Kernel, "sys" | "init">;
  /** The previous agent's pipes that no process has taken yet. */
  readonly #found: Map<string, Fd>;
  /** Names that init keeps and that were opened. */
  readonly #opened = new Set<string>();

  constructor(kernel: Pick<Kernel, "sys" | "init">) {
    this.#kernel = kernel;
    this.#found = new Map([...kernel.init.greeting.deposits].filter(([name]) => name.startsWith(PREFIX)));
  }

  /** Returns the pipe of this name, or opens one: one non-blocking descriptor for both ends, which the caller closes. */
  open(name: string, sizeBytes?: number): Fd {
    this.#opened.add(name);
    const found = this.#found.get(PREFIX + name);
    if (this.#found.delete(PREFIX + name) && found !== undefined) return found;
    const { sys, init } = this.#kernel;
    const fd = openTwoWayPipe(sys, sizeBytes);
    try {
      init.deposit(PREFIX + name, fd);
    } catch (error) {
      sys.close(fd);
      throw error;
    }
    return fd;
  }

  /** Makes init close its descriptor, if the pipe was opened. */
  drop(name: string): void {
    if (this.#opened.delete(name)) this.#kernel.init.withdraw(PREFIX + name);
  }

  /** Drops the previous agent's pipes that were not opened. */
  dropOthers(): void {
    for (const [name, fd] of this.#found) {
      this.#kernel.sys.close(fd);
      this.#kernel.init.withdraw(name);
    }
    this.#found.clear();
  }
}
