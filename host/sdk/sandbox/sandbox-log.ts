import type { OutputName } from "../../client/streams/position.ts";

/** Options of `sandbox.logs`. */
export interface LogOptions {
  /**
   * Output of the container's first process, log of the agent, or console of the guest. The last two exist only for a
   * guest that was created here. Default: container.
   */
  readonly source?: "container" | "agent" | "console";
  /** Waits for what comes, until the sandbox ends. Default: false. */
  readonly follow?: boolean;
  /** Most lines of a container's past. Default: all that are kept. */
  readonly tail?: number;
  /** Leaves out older output of a container. */
  readonly since?: Date;
}

/** A line of a log, or a part of one. */
export interface LogChunk {
  /** stdout for the agent's log and the console. */
  readonly stream: OutputName;
  /** A line, or a part of one. */
  readonly text: string;
  /** True for a line that stands for output which is no longer kept. */
  readonly isGap: boolean;
}
