import type { Container } from "../container/container.ts";
import { namespaceInode } from "../container/namespaces/namespace-inode.ts";
import { sortNamespaces } from "../container/namespaces/namespaces.ts";
import { waitsPrivileged } from "../container/runtime/runtime-profile.ts";
import { AgentError } from "../kernel/error.ts";
import type { ContainerRecord } from "./state.ts";

/** The part of a container that decides whether the guard freezes it. */
export type Guarded = Pick<
  Container,
  "id" | "cgroup" | "traces" | "isKnownTracer" | "waitsPrivileged" | "pidNamespace" | "exposed"
> & {
  readonly freezer: Pick<Container["freezer"], "hold">;
};

/** The part of a container that decides whether it may trace. */
export type Traceable = Pick<Container, "mayTrace" | "pidNamespace">;

/**
 * Keeps a pod's containers from tracing a process that is being created in their pid namespace: until its plan, or another runtime,
 * has set it up, the process has capabilities that its container won't have. Containers that may trace are frozen meanwhile.
 */
export class TraceGuard {
  readonly #containers: () => readonly Guarded[];
  readonly #note: (id: string, held: boolean) => void;
  /** Creations under way in a pid namespace that other containers use. */
  readonly #creations = new Set<Promise<unknown>>();

  /** `note` records for the next agent which containers are frozen. */
  constructor(containers: () => readonly Guarded[], note: (id: string, held: boolean) => void) {
    this.#containers = containers;
    this.#note = note;
  }

  /** Resolves once every launch that began while no tracer was running has finished. See ContainerTraceGuard.settled. */
  settled(): Promise<unknown> {
    const execs = this.#containers().flatMap(({ exposed }) => [...exposed]);
    return Promise.allSettled([...execs, ...this.#creations]);
  }

  /** Throws if a container is about to trace while another one's process waits in its pid namespace with all privileges. */
  refuseTracer(id: string): void {
    const all = this.#containers();
    const tracer = all.find((it) => it.id === id);
    const waiting = all.find((it) => it.waitsPrivileged && isIn(it, tracer?.pidNamespace));
    if (waiting === undefined) return;
    throw new AgentError(
      "internal",
      `container ${id} may trace container ${waiting.id} in their pid namespace, whose runtime keeps privileges until it is started: start that first`,
    );
  }

  /**
   * Runs the creation of a container's first process. If other containers are frozen for it, `create` gets `signal`, too: a creation
   * that never ends, because another container stops its process, must not keep them frozen.
   */
  create<T>(
    { id, spec, cgroup }: Pick<ContainerRecord, "id" | "spec" | "cgroup">,
    create: (signal?: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { pidPath } = sortNamespaces(spec.linux.namespaces);
    // A path that doesn't exist makes the creation fail with the reason.
    const namespace = pidPath === undefined ? undefined : namespaceInode(pidPath);
    if (namespace === undefined) return create();
    // Synchronously: a container that begins to trace later waits for this creation.
    const tracers = this.#containers().filter((it) => it.traces && isIn(it, namespace));
    const guarded = async () => {
      if (waitsPrivileged(spec.annotations)) this.#refuseBeside(id, namespace);
      return await this.#whileHeld(id, cgroup, tracers, create, signal);
    };
    const creating = guarded();
    this.#creations.add(creating);
    return creating.finally(() => this.#creations.delete(creating));
  }

  /** Throws if a known tracer shares the namespace. Freezing doesn't help: such a process can be traced until it is started. */
  #refuseBeside(id: string, namespace: number): void {
    const tracer = this.#containers().find((it) => it.isKnownTracer && isIn(it, namespace));
    if (tracer === undefined) return;
    throw new AgentError(
      "internal",
      `create container ${id}: container ${tracer.id} may trace it in their pid namespace, and its runtime keeps privileges until it is started: use crun or no other runtime`,
    );
  }

  async #whileHeld<T>(
    id: string,
    cgroup: string,
    tracers: readonly Guarded[],
    create: (signal?: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const held: (() => Promise<void>)[] = [];
    try {
      for (const tracer of tracers) {
        const what = `create container ${id}: container ${tracer.id} may trace it in their pid namespace, and`;
        if (cgroup.startsWith(`${tracer.cgroup}/`)) {
          throw new AgentError("internal", `${what} has its cgroup below its own; give it another cgroupsPath`);
        }
        const failed = (cause: Error) => {
          throw signal.aborted
            ? cause
            : new AgentError("internal", `${what} does not stand still: ${cause.message}`, { cause });
        };
        held.push(await tracer.freezer.hold((is) => this.#note(tracer.id, is), signal).catch(failed));
      }
      return await (held.length > 0 ? create(signal) : create());
    } finally {
      // The creation is over, whether or not it succeeded. A container that can't be thawed stays noted for the next agent.
      await Promise.allSettled(held.map((letGo) => letGo()));
    }
  }
}

/** True if a process of one of these containers could trace a process created in the pid namespace of `container`. */
export function mayBeTraced(container: Traceable, all: Iterable<Traceable>): boolean {
  for (const other of all) {
    if (other.mayTrace && (other === container || isIn(other, container.pidNamespace))) return true;
  }
  return false;
}

/** True if a process of the container may be in this pid namespace. A container whose init process ended too early has an unknown namespace, so any is possible. */
function isIn({ pidNamespace }: Pick<Traceable, "pidNamespace">, namespace: number | undefined): boolean {
  return pidNamespace === undefined || pidNamespace === namespace;
}
