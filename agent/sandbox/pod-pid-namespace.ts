import { fstatSync } from "node:fs";
import type { Container } from "../container/container.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";

const DEPOSIT = "sandbox-pidns";

/**
 * The pid namespace that containers of the pod may share: that of the first container. It ends with that container's
 * first process, and nobody can be born in it any more: the next one that shares makes the pod's new one. Init keeps it
 * while the agent is away.
 */
export class PodPidNamespace {
  readonly #kernel: Kernel;
  #fd: Fd | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#fd = kernel.init.greeting.deposits.get(DEPOSIT);
  }

  /** To join it; undefined if there is none, or none any more: of its processes one is always a container's first. */
  path(containers: Iterable<Container>): string | undefined {
    if (this.#fd === undefined) return undefined;
    const { ino } = fstatSync(this.#fd);
    for (const { init, pidNamespace } of containers) {
      if (init.status === undefined && pidNamespace === ino) return `/proc/self/fd/${this.#fd}`;
    }
    this.close();
    return undefined;
  }

  /** Makes it that of this container, unless there is one. */
  keep(container: Container): void {
    if (this.#fd !== undefined) return;
    const namespace = container.openPidNamespace();
    this.#kernel.init.deposit(DEPOSIT, namespace);
    this.#fd = namespace;
  }

  close(): void {
    if (this.#fd === undefined) return;
    this.#kernel.sys.close(this.#fd);
    this.#kernel.init.withdraw(DEPOSIT);
    this.#fd = undefined;
  }
}
