import type { Container } from "../container/container.ts";

/** Of a container as it is known here. */
export type Traceable = Pick<Container, "mayTrace" | "pidNamespace">;

/** Could a process of one of these containers trace one that is born in the pid namespace of `container`? */
export function mayBeTraced(container: Traceable, all: Iterable<Traceable>): boolean {
  for (const other of all) {
    if (!other.mayTrace) continue;
    // Of one that has ended too early nobody knows where what is left of it lives.
    if (other === container || other.pidNamespace === undefined) return true;
    if (other.pidNamespace === container.pidNamespace) return true;
  }
  return false;
}
