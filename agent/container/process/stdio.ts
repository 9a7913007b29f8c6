import type { PassedStdio } from "../passfd/passed-stream.ts";
import type { InputStream } from "./input-stream.ts";
import type { OutputStream } from "./output-stream.ts";

export type OutputName = "stdout" | "stderr";

/** One output of a process, which the host either reads by calls or gets on its own stream. */
export interface Output {
  /** True if the end was reached and nothing is left for the host. */
  readonly ended: boolean;
  /** True while the descriptor is open. */
  readonly open: boolean;
  /** True while clients attach to it, or a log keeps it. */
  readonly isAttached: boolean;
  /** Called once at the end of the output. `writersGone`: no process can write any more. */
  onEnd: ((writersGone: boolean) => void) | undefined;
  /** Called when the host has the last answer to its calls, after the end. */
  onDelivered?: (() => void) | undefined;
  /** Called when the process has ended: the rest is still read, and the end comes after a grace period at most. */
  processExited(): void;
  /** Detects the end if no reader waits for it. */
  settle(): void;
  close(): void;
}

/** A process's input, which the host either writes by calls or sends on its own stream. */
export interface Input {
  /** Called when the host has ended the input: init then closes its copy of the pipe. */
  onEnd: (() => void) | undefined;
  /** Ends the input after all earlier writes; a terminal gets its end-of-file character. */
  end(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The agent's ends of a process's stdio. HeldStdio serves the host's calls, ForwardedStdio moves to its streams. */
export interface Stdio {
  readonly stdin: Input;
  readonly stdout: Output;
  /** The same object as `stdout` if the process has a terminal. */
  readonly stderr: Output;
  /** The host's streams that it uses. */
  readonly streams: PassedStdio;
  /** Returns an output for ReadStdout or ReadStderr. Throws if it isn't read by calls. */
  reader(name: OutputName): OutputStream;
  /** Returns the input for WriteStdin. Throws if it isn't written by calls. */
  writer(): InputStream;
  /** Resolves once the host has all output from its streams, or has read nothing for a while. */
  drained(): Promise<void>;
}
