/** Output of a process. */
export type OutputName = "stdout" | "stderr";

/** A client's position: it has every byte before these offsets. */
export interface Position {
  readonly stdout: number;
  readonly stderr: number;
}
