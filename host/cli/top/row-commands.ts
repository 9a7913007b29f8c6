import type { TreeRow } from "../../engine/tree/tree-rows.ts";

/** Words of the commands of guestctl that act on a row. Ids come from agents, so none is read as an option. */
export type Words = readonly string[];

/** Follows the log of a container from its last lines on, or that of a guest's agent. */
export function logsWords({ container }: TreeRow, place: Words, lines: number): Words {
  return container === undefined
    ? ["logs", "-f", ...place]
    : ["logs", "-f", "-n", String(lines), ...place, "--", container.id];
}

/** Explains how a container was created. */
export const explainWords = (id: string, place: Words): Words => ["explain", ...place, "--", id];

/** Opens a shell in a container. */
export const shellWords = (id: string, place: Words): Words => ["exec", "-it", ...place, "--", id, "sh"];

/** Kills a container, or one exec of it. */
export function killWords(id: string, exec: string, place: Words): Words {
  return ["kill", ...(exec === "" ? [] : [`--exec=${exec}`]), ...place, "--", id];
}
