import { fstatSync } from "node:fs";
import type { Container } from "../container/container.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";

const DEPOSIT = "sandbox-pidns";

/**
 * The pid namespace that containers of the pod may share: that of the first container. It ends with that container's
 * first process, and nobody can be born in it any more: the next one that shares makes the pod's new one, and others that
 * share wait for it. Init keeps it while the agent is away.
 */
export class PodPidNamespace {
  readonly #kernel: Kernel;
  #fd: Fd | undefined;
  /** The creation of a container that shares, of which the namespace will be. */
  #making: Promise<unknown> | undefined;
  /** One that does not share makes the pod's first namespace only. */
  #ended = false;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#fd = kernel.init.greeting.deposits.get(DEPOSIT);
  }

  /** Runs the creation of a container that shares it; `create` gets the path to join, or undefined to make it and keep it. */
  async share(
    containers: () => Iterable<Container>,
    create: (path: string | undefined) => Promise<Container>,
    signal: AbortSignal | undefined,
  ): Promise<Container> {
    while (this.#making !== undefined) await (signal === undefined ? this.#making : waitUntil(this.#making, signal));
    const path = this.#path(containers());
    if (path !== undefined) return create(path);
    const creating = create(undefined);
    this.#making = creating.catch(() => undefined).then(() => (this.#making = undefined));
    return creating;
  }

  /** Makes it that of this container, which has one of its own, unless the pod has one or will have that of another. */
  keep(container: Container, shares: boolean): void {
    if (this.#fd !== undefined) return;
    if (!shares && (this.#ended || this.#making !== undefined)) return;
    const namespace = container.openPidNamespace();
    this.#kernel.init.deposit(DEPOSIT, namespace);
    this.#fd = namespace;
  }

  /** Undefined if there is none, or none any more: of its processes one is always a container's first. */
  #path(containers: Iterable<Container>): string | undefined {
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
