import { AgentError } from "../../kernel/error.ts";
import type { KeptFds, Sys } from "../../kernel/kernel.ts";
import { InputStream } from "../process/input-stream.ts";
import type { OutputName, Stdio } from "../process/stdio.ts";
import { PassedInput } from "./passed-input.ts";
import { PassedOutput } from "./passed-output.ts";
import type { PassedStdio, StdioName } from "./passed-stream.ts";

/** Stdio that the agent moves to and from the host's streams. Without a stream for stdin, the host writes it by calls. */
export class ForwardedStdio implements Stdio {
  readonly stdin: InputStream | PassedInput;
  readonly stdout: PassedOutput;
  readonly stderr: PassedOutput;
  readonly streams: PassedStdio;
  readonly #execId: string;
  readonly #writer: InputStream | undefined;

  constructor(sys: Sys, execId: string, fds: KeptFds, streams: PassedStdio) {
    this.streams = streams;
    this.#execId = execId;
    const isTerminal = fds.terminal !== undefined;
    this.stdout = new PassedOutput(sys, fds.terminal ?? fds.stdout, streams.stdout, isTerminal);
    this.stderr = isTerminal ? this.stdout : new PassedOutput(sys, fds.stderr, streams.stderr, false);
    const input = fds.terminal ?? fds.stdin;
    if (streams.stdin === undefined) this.stdin = this.#writer = new InputStream(sys, input, isTerminal);
    else this.stdin = new PassedInput(sys, input, streams.stdin, isTerminal);
  }

  reader(name: OutputName): never {
    throw this.#refusal("cannot get stream reader", name);
  }

  writer(): InputStream {
    if (this.#writer === undefined) throw this.#refusal("write to stdin", "stdin");
    return this.#writer;
  }

  async drained(): Promise<void> {
    for (const output of [this.stdout, this.stderr]) await output.drained;
  }

  #refusal(call: string, name: StdioName): AgentError {
    const port = this.streams[name]?.port;
    const where = port === undefined ? "is discarded because no port was given" : `has its own stream, port ${port}`;
    return new AgentError("internal", `${call}: ${name} of "${this.#execId}" ${where}`);
  }
}
