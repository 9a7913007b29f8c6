import type { StreamNames } from "../passfd/passed-stream.ts";

/** A process's label, which init keeps as JSON. */
export interface ProcessLabel {
  readonly container: string;
  readonly exec: string;
  /** Set if this is not a process of the container, but this command of its OCI runtime, or a hook. */
  readonly command?: string;
  /** The host's streams that its stdio goes to. */
  readonly streams?: StreamNames;
}

/** Parses a label that init kept. Returns undefined for one that no agent writes. */
export function readLabel(text: string): ProcessLabel | undefined {
  try {
    const label = JSON.parse(text) as ProcessLabel | null;
    const names = Object.values(label?.streams ?? {});
    const isLabel = typeof label?.container === "string" && typeof label.exec === "string";
    return isLabel && names.every((name) => typeof name === "string") ? label : undefined;
  } catch {
    return undefined;
  }
}
