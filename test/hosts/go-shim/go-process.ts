import type { Output } from "../../scenarios/pod.ts";
import type { HostCalls } from "../host-calls.ts";
import type { HostProcess } from "../kata-host.ts";

/** Chunk size of its copy loops, in both directions. */
const CHUNK = 32_768;

/** Follows a process like the Go shim: a loop per stream from its start, and WaitProcess when both have ended. */
export class GoProcess implements HostProcess {
  readonly ended: Promise<Output>;
  readonly #calls: HostCalls;
  readonly #container: string;
  readonly #exec: string;

  constructor(calls: HostCalls, container: string, exec: string, terminal: boolean) {
    this.#calls = calls;
    this.#container = container;
    this.#exec = exec;
    this.ended = this.#follow(terminal);
    this.ended.catch(() => undefined); // reported to waiters, if any
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const data = bytes.subarray(at, at + CHUNK);
      const { len } = await this.#calls.call("writeStdin", { ...this.#ids, data });
      if (len !== data.length) throw new Error(`write stdin: ${len} of ${data.length} bytes`);
    }
  }

  async closeInput(): Promise<void> {
    await this.#calls.call("closeStdin", this.#ids);
  }

  async resize(row: number, column: number): Promise<void> {
    await this.#calls.call("ttyWinResize", { ...this.#ids, row, column });
  }

  async kill(signal: number): Promise<void> {
    const exec_id = this.#exec === this.#container ? "" : this.#exec;
    await this.#calls.call("signalProcess", { ...this.#ids, exec_id, signal });
  }

  get #ids() {
    return { container_id: this.#container, exec_id: this.#exec };
  }

  async #follow(terminal: boolean): Promise<Output> {
    const none = Promise.resolve(Buffer.alloc(0));
    const reads = [terminal ? none : this.#read("readStderr"), this.#read("readStdout")] as const;
    const [stderr, stdout] = await Promise.all(reads);
    const { status } = await this.#calls.call("waitProcess", this.#ids, 0);
    return { stdout, stderr, status };
  }

  /** Treats any error as the end, like the shim. Tests detect a premature end by the missing bytes. */
  async #read(call: "readStdout" | "readStderr"): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const answer = await this.#calls.call(call, { ...this.#ids, len: CHUNK }, 0).catch(() => undefined);
      if (answer === undefined || answer.data.length === 0) return Buffer.concat(parts);
      parts.push(answer.data);
    }
  }
}
