import { fstatSync } from "node:fs";
import type { Container } from "../container/container.ts";
import type { Process } from "../container/process/process.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";

const DEPOSIT = "sandbox-pidns";

/** The part of a container that decides whether its pid namespace can be joined. */
export type NamespaceOwner = Pick<Container, "pidNamespace" | "openPidNamespace"> & {
  readonly init: Pick<Process, "status">;
};

/**
 * The pid namespace that the pod's containers may share: that of the first container. It ends with that container's first process,
 * and no process can enter it any more. The next container that shares creates the pod's new namespace, and further ones wait for
 * that. Init keeps the descriptor while no agent runs.
 */
export class PodPidNamespace {
  readonly #kernel: Kernel;
  #fd: Fd | undefined;
  /** Settles with the creation under way that will provide the namespace. Never rejects. */
  #providing: Promise<unknown> | undefined;
  /** The pod's first namespace has ended; only a container that shares provides the next one. */
  #ended = false;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#fd = kernel.init.greeting.deposits.get(DEPOSIT);
  }

  /** Runs the creation of a container that shares; `create` gets the path to join, or undefined if it has to provide the namespace. */
  async share<T>(
    containers: () => Iterable<NamespaceOwner>,
    create: (path: string | undefined) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    while (this.#providing !== undefined)
      await (signal === undefined ? this.#providing : waitUntil(this.#providing, signal));
    const path = this.#path(containers());
    if (path !== undefined) return create(path);
    const creating = create(undefined);
    this.#providing = creating.catch(() => undefined).then(() => (this.#providing = undefined));
    return creating;
  }

  /** Keeps this container's own namespace as the pod's, unless the pod has one or another creation is about to provide it. */
  keep(container: NamespaceOwner, shares: boolean): void {
    if (this.#fd !== undefined) return;
    if (!shares && (this.#ended || this.#providing !== undefined)) return;
    const namespace = container.openPidNamespace();
    this.#kernel.init.deposit(DEPOSIT, namespace);
    this.#fd = namespace;
  }

  /** Returns the path to join; undefined if no namespace exists, or its first process, always a container's, has ended. */
  #path(containers: Iterable<NamespaceOwner>): string | undefined {
    if (this.#fd === undefined) return undefined;
    const { ino } = fstatSync(this.#fd);
    for (const { init, pidNamespace } of containers) {
      if (init.status === undefined && pidNamespace === ino) return `/proc/self/fd/${this.#fd}`;
    }
    this.close();
    this.#ended = true;
    return undefined;
  }

  close(): void {
    if (this.#fd === undefined) return;
    this.#kernel.sys.close(this.#fd);
    this.#kernel.init.withdraw(DEPOSIT);
    this.#fd = undefined;
  }
}
