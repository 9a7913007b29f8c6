import type { Container } from "../container/container.ts";

/** Of a container as it is known here. */
export type Traceable = Pick<Container, "mayTrace" | "pidNamespace">;

/** A process of it may live in this pid namespace. Of one that has ended too early nobody knows where what is left of it lives. */
export function isIn({ pidNamespace }: Pick<Traceable, "pidNamespace">, namespace: number | undefined): boolean {
  return pidNamespace === undefined || pidNamespace === namespace;
}

/** Could a process of one of these containers trace one that is born in the pid namespace of `container`? */
export function mayBeTraced(container: Traceable, all: Iterable<Traceable>): boolean {
  for (const other of all) {
    if (other.mayTrace && (other === container || isIn(other, container.pidNamespace))) return true;
  }
  return false;
}
