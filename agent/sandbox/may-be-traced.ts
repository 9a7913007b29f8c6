import type { Container } from "../container/container.ts";

/** The part of a container that decides whether it may trace. */
export type Traceable = Pick<Container, "mayTrace" | "pidNamespace">;

/** True if a process of the container may be in this pid namespace. A container whose init process ended too early has an unknown namespace, so any is possible. */
export function isIn({ pidNamespace }: Pick<Traceable, "pidNamespace">, namespace: number | undefined): boolean {
  return pidNamespace === undefined || pidNamespace === namespace;
}

/** True if a process of one of these containers could trace a process created in the pid namespace of `container`. */
export function mayBeTraced(container: Traceable, all: Iterable<Traceable>): boolean {
  for (const other of all) {
    if (other.mayTrace && (other === container || isIn(other, container.pidNamespace))) return true;
  }
  return false;
}
