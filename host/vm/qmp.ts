import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { reason } from "../../lib/reason.ts";
import { kindInText } from "../text-kind.ts";
import { MachineError } from "./machine-error.ts";

const LIMIT_MS = 30_000;

type Data = Readonly<Record<string, unknown>>;

interface Message {
  readonly QMP?: { readonly version?: QemuVersion };
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Data;
}

interface QemuVersion {
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
  /** The distribution's version; may be empty. */
  readonly package: string;
}

/** QEMU's control socket: runs one command at a time and collects events. */
export class Qmp implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #lines: Interface;
  readonly #waiting: ((message: Message) => void)[] = [];
  readonly #events: Message[] = [];
  #onEvent: () => void = () => undefined;
  #isClosed = false;
  #version = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#lines = createInterface({ input: socket });
    this.#lines.on("line", (line) => this.#take(JSON.parse(line) as Message));
    this.#lines.on("error", () => undefined); // readline passes on the socket's, which closes it
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#isClosed = true;
      this.#onEvent();
      const gone = { error: { class: "Closed", desc: "QEMU closed it, or serves another client" } };
      for (const answer of this.#waiting.splice(0)) answer(gone);
    });
  }

  /** Waits while QEMU serves another client, but not without end. `signal` also ends later commands. Throws MachineError. */
  static async connect(path: string, limitMs = LIMIT_MS, signal?: AbortSignal): Promise<Qmp> {
    const socket = connect({ path, signal });
    const limit = setTimeout(() => socket.destroy(), limitMs);
    try {
      await once(socket, "connect");
      const qmp = new Qmp(socket);
      await qmp.execute("qmp_capabilities");
      return qmp;
    } catch (error) {
      socket.destroy();
      throw new MachineError(`QEMU's control socket ${path}: ${reason(error)}`, { cause: error });
    } finally {
      clearTimeout(limit);
    }
  }

  /** Runs a command and returns its result. Rejects with QEMU's message if it refuses. */
  async execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#isClosed) throw new MachineError(`QEMU ${command}: its control socket is closed`);
    const answered = new Promise<Message>((resolve) => this.#waiting.push(resolve));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    const { error, return: value } = await answered;
    if (error !== undefined) throw new MachineError(`QEMU ${command}: ${error.desc}`, { kind: kindInText(error.desc) });
    return value;
  }

  /** QEMU's version with the distribution's, such as "7.2.22 (Debian 1:7.2+dfsg-7)". */
  get version(): string {
    return this.#version;
  }

  /** Resolves with the data of the next event of this name that matches, including one already received. */
  async event(name: string, matches: (data: Data) => boolean = () => true): Promise<Data> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    for (;;) {
      const at = this.#events.findIndex(({ event, data = {} }) => event === name && matches(data));
      const [found] = at < 0 ? [] : this.#events.splice(at, 1);
      if (found !== undefined) return found.data ?? {};
      if (this.#isClosed) throw new MachineError(`QEMU: it ended before ${name}`);
      await new Promise<void>((resolve, reject) => {
        this.#onEvent = resolve;
        limit.addEventListener("abort", () => reject(new MachineError(`QEMU: no ${name} within ${LIMIT_MS} ms`)));
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lines.close();
    this.#socket.destroy();
  }

  #take(message: Message): void {
    if (message.QMP?.version !== undefined) this.#version = versionText(message.QMP.version);
    else if (message.event !== undefined) {
      this.#events.push(message);
      this.#onEvent();
    } else if ("return" in message || message.error !== undefined) this.#waiting.shift()?.(message);
  }
}

function versionText({ qemu, package: distribution }: QemuVersion): string {
  const version = `${qemu.major}.${qemu.minor}.${qemu.micro}`;
  return distribution === "" ? version : `${version} (${distribution})`;
}
