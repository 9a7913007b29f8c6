import type { LifecycleEvent } from "../../kernel/lifecycle.ts";
import type { FoundContainer, FoundProcess } from "./found-containers.ts";

type Types = readonly [started: LifecycleEvent["type"], exited: LifecycleEvent["type"]];

const OF_CONTAINER = ["container-started", "container-exited"] as const;
const OF_EXEC = ["exec-started", "exec-exited"] as const;

/**
 * Returns the events that are missing from `kept` for what an agent has found at its start: the last agent was killed between an
 * action and its event, or a process ended while no agent ran.
 */
export function missingEvents(kept: readonly LifecycleEvent[], found: readonly FoundContainer[]): LifecycleEvent[] {
  const known = new Map<string, Set<string>>();
  const removed = new Set<string>();
  for (const { type, container = "", exec = "" } of kept) {
    if (container === "" || type === "core-dumped") continue; // may be all that is kept of a removed container
    if (type === "container-created") removed.delete(container);
    if (type === "container-removed") {
      known.delete(container);
      removed.add(container);
    } else if (!removed.has(container)) known.set(container, see(known.get(container), type, exec));
  }
  const missing: LifecycleEvent[] = [];
  for (const { id: container, first, execs } of found) {
    const seen = known.get(container) ?? new Set();
    known.delete(container);
    if (!seen.has("container-created")) missing.push({ type: "container-created", container });
    missing.push(...missingOf(first, OF_CONTAINER, { container }, seen, ""));
    for (const each of execs)
      missing.push(...missingOf(each, OF_EXEC, { container, exec: each.exec }, seen, each.exec));
  }
  for (const container of known.keys()) missing.push({ type: "container-removed", container });
  return missing;
}

/** Adds an event to those that are seen of a container; a reused exec id begins again. */
function see(seen: Set<string> | undefined, type: string, exec: string): Set<string> {
  if (seen === undefined || type === "container-created") return new Set([type]);
  if (type === "exec-started") seen.delete(`exec-exited ${exec}`);
  return seen.add(exec === "" ? type : `${type} ${exec}`);
}

function missingOf(
  { started, ended }: FoundProcess,
  [start, exit]: Types,
  name: Pick<LifecycleEvent, "container" | "exec">,
  seen: ReadonlySet<string>,
  exec: string,
): LifecycleEvent[] {
  const isSeen = (type: string) => seen.has(exec === "" ? type : `${type} ${exec}`);
  if (!started) return [];
  return [
    ...(isSeen(start) ? [] : [{ type: start, ...name }]),
    ...(ended === undefined || isSeen(exit) ? [] : [{ type: exit, ...name, ...ended }]),
  ];
}
