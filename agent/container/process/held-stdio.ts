import type { Fd, KeptFds, Kernel } from "../../kernel/kernel.ts";
import { InputStream } from "./input-stream.ts";
import { OutputStream } from "./output-stream.ts";
import type { OutputName, Stdio } from "./stdio.ts";

/** Stdio that the agent holds until the host reads and writes it by calls. */
export class HeldStdio implements Stdio {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly streams = {};

  /** `process` is the process's launch id, its key in the output journal. */
  constructor({ sys, outputs: journal }: Kernel, process: number, fds: KeptFds) {
    const isTerminal = fds.terminal !== undefined;
    const output = (fd: Fd | undefined, stream: 0 | 1) => {
      const kept = journal === undefined ? undefined : { journal, key: { process, stream } };
      return new OutputStream(sys, fd, isTerminal, kept);
    };
    this.stdout = output(fds.terminal ?? fds.stdout, 0);
    this.stderr = isTerminal ? this.stdout : output(fds.stderr, 1);
    this.stdin = new InputStream(sys, fds.terminal ?? fds.stdin, isTerminal);
  }

  reader(name: OutputName): OutputStream {
    return this[name];
  }

  writer(): InputStream {
    return this.stdin;
  }

  async drained(): Promise<void> {
    // No stream to wait for.
  }
}
