import type { Output } from "../../scenarios/pod.ts";
import type { HostCalls } from "../host-calls.ts";
import type { HostProcess } from "../kata-host.ts";

/** Size of its copy buffers, in both directions. */
const BUFFER = 8192;
const REMOVE_S = 10;

interface ProcessIds {
  readonly container_id: string;
  /** Empty for the first process of the container. */
  readonly exec_id: string;
}

interface Following {
  readonly terminal: boolean;
  readonly slowReader: boolean;
  /** Receives the last message of a container's first process, if requested. */
  readonly onMessage?: (text: string) => void;
}

/** Follows a process like runtime-rs: copies until both streams end, waits, kills the rest, and removes a container. */
export class RsProcess implements HostProcess {
  readonly ended: Promise<Output>;
  readonly #calls: HostCalls;
  readonly #ids: ProcessIds;
  readonly #slowReader: boolean;
  #over = false;

  constructor(calls: HostCalls, ids: ProcessIds, { terminal, slowReader, onMessage }: Following) {
    this.#calls = calls;
    this.#ids = ids;
    this.#slowReader = slowReader;
    this.ended = this.#follow(terminal, onMessage);
    this.ended.catch(() => undefined); // reported to waiters, if any
  }

  /** True once its streams have ended. */
  get over(): boolean {
    return this.#over;
  }

  async write(text: string): Promise<void> {
    for (let rest = Buffer.from(text); rest.length > 0; ) {
      const data = rest.subarray(0, BUFFER);
      const { len } = await this.#calls.call("writeStdin", { ...this.#ids, data }, 0);
      if (len < 1 || len > data.length) throw new Error(`write stdin: ${len} of ${data.length} bytes`);
      rest = rest.subarray(len);
    }
  }

  async closeInput(): Promise<void> {
    await this.#calls.call("writeStdin", { ...this.#ids, data: Buffer.alloc(0) }, 0);
  }

  async resize(row: number, column: number): Promise<void> {
    await this.#calls.call("ttyWinResize", { ...this.#ids, row, column });
  }

  async kill(signal: number): Promise<void> {
    await this.#calls.call("signalProcess", { ...this.#ids, signal });
  }

  async #follow(terminal: boolean, onMessage: Following["onMessage"]): Promise<Output> {
    const none = Promise.resolve(Buffer.alloc(0));
    const reads = [this.#read("readStdout"), terminal ? none : this.#read("readStderr")] as const;
    const [stdout, stderr] = await Promise.all(reads);
    this.#over = true;
    const { status } = await this.#calls.call("waitProcess", this.#ids, 0);
    const { container_id, exec_id } = this.#ids;
    onMessage?.(await this.#calls.lastMessage(container_id));
    await killEnded(this.#calls, container_id, exec_id);
    if (exec_id === "") await this.#calls.call("removeContainer", { container_id, timeout: REMOVE_S });
    return { stdout, stderr, status };
  }

  /**
   * Requests as many bytes as its buffer has room for; a slow reader empties it only after every second read. More
   * bytes than that would make the shim panic; an error ends the stream.
   */
  async #read(call: "readStdout" | "readStderr"): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let filled = 0; ; ) {
      const len = BUFFER - filled;
      const answer = await this.#calls.call(call, { ...this.#ids, len }, 0).catch(() => undefined);
      if (answer === undefined || answer.data.length === 0) return Buffer.concat(parts);
      if (answer.data.length > len) throw new Error(`${call}: ${answer.data.length} bytes into a buffer of ${len}`);
      filled = this.#slowReader && filled === 0 && answer.data.length < BUFFER ? answer.data.length : 0;
      parts.push(answer.data);
    }
  }
}

const NOT_FOUND = 5;
const GONE = /no such process|process not found|init process not found|cannot find init process/i;

/** Kills a process that has ended; the shim expects an error that says so. */
export async function killEnded(calls: HostCalls, container_id: string, exec_id: string): Promise<void> {
  try {
    await calls.call("signalProcess", { container_id, exec_id, signal: 9 });
  } catch (error) {
    const { code, message } = error as { code?: number; message: string };
    if (code !== NOT_FOUND && !GONE.test(message)) throw error;
  }
}
