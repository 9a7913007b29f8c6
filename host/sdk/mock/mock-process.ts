import { PassThrough } from "node:stream";
import type { OutputName } from "../../client/streams/position.ts";
import type { Process, ProcessStart, ProcessStatus, TakeOutput } from "../../engine/process.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import type { MockAnswer, MockProcess } from "./mock-answer.ts";

/** Signals that end a process unless it handles them: the scripted ones don't. CHLD, CONT, URG, WINCH and the stops don't. */
const HARMLESS: ReadonlySet<number> = new Set([17, 18, 19, 20, 21, 22, 23, 28]);

/** A piece of the output of a scripted process, which keeps all of it. */
interface Piece {
  readonly name: OutputName;
  readonly bytes: Buffer;
  readonly offset: number;
  /** Resolved once a client has taken it. */
  readonly taken: PromiseWithResolvers<void>;
}

/** Plays a process that an answer scripts. It keeps its output, so that a client can continue at any position. */
export class ScriptedProcess {
  readonly id: string;
  readonly tty: boolean;
  readonly ended: Promise<ProcessStatus>;
  readonly #killed = new AbortController();
  readonly #stdin = new PassThrough();
  readonly #pieces: Piece[] = [];
  readonly #offsets = { stdout: 0, stderr: 0 };
  #client: ScriptedClient | undefined;

  constructor(id: string, { argv, env, cwd, user, terminal }: ProcessStart, answer: MockAnswer | undefined) {
    this.id = id;
    this.tty = terminal !== undefined;
    const pairs = env.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]);
    this.#killed.signal.addEventListener("abort", () => this.#stdin.destroy(), { once: true });
    this.#stdin.on("error", () => undefined);
    this.ended = this.#play(answer, {
      argv,
      env: Object.fromEntries(pairs),
      cwd,
      user,
      tty: this.tty,
      stdin: this.#stdin,
      killed: this.#killed.signal,
      stdout: (data) => this.#print("stdout", data),
      stderr: (data) => this.#print(this.tty ? "stdout" : "stderr", data),
    });
    this.ended.catch(() => undefined);
  }

  /** Gives a client the output from its position on. Throws if another one is attached, unless it takes over. */
  attach(from: Readonly<Record<OutputName, number>>, take: TakeOutput, takeover = true): Process {
    if (this.#client !== undefined && !takeover) {
      throw sandboxError("wrong-state", `attach to exec ${this.id}: another client is attached: set takeover`);
    }
    this.#client?.end(sandboxError("taken-over", "attach: another client has taken over"));
    const client = new ScriptedClient(this.#pieces, from, take);
    this.#client = client;
    client.pump();
    const isOver = this.ended.then(async (status) => {
      await client.drained();
      return status;
    });
    return {
      id: this.id,
      started: Promise.resolve(),
      epoch: "mock",
      ended: Promise.race([isOver, client.left]),
      write: (bytes) => this.#write(bytes),
      endInput: () => void this.#stdin.end(),
      signal: async (number) => this.kill(number),
      resize: () => undefined,
      detach: () => {
        client.end(sandboxError("aborted", `exec ${this.id}: detached`));
        if (this.#client === client) this.#client = undefined;
      },
    };
  }

  kill(number: number): void {
    if (!HARMLESS.has(number)) this.#killed.abort(number);
  }

  async #play(answer: MockAnswer | undefined, process: MockProcess): Promise<ProcessStatus> {
    const { argv, killed } = process;
    if (answer === undefined) {
      const line = JSON.stringify(argv.join(" "));
      throw sandboxError("invalid-argument", `mock: no answer is scripted for ${line}: add one with mock.on`);
    }
    const dead = Promise.withResolvers<undefined>();
    killed.addEventListener("abort", () => dead.resolve(undefined), { once: true });
    const playing = (async () => {
      const given = typeof answer === "function" ? await answer(process) : answer;
      const output =
        typeof given === "string" ? { stdout: given } : typeof given === "number" ? { exitCode: given } : given;
      if (output?.stdout !== undefined) await process.stdout(output.stdout);
      if (output?.stderr !== undefined) await process.stderr(output.stderr);
      return output?.exitCode ?? 0;
    })();
    playing.catch(() => undefined); // of a killed process
    const exitCode = await Promise.race([playing, dead.promise]);
    this.#stdin.destroy();
    if (exitCode !== undefined) return { exitCode, signal: 0 };
    return { exitCode: 128 + Number(killed.reason), signal: Number(killed.reason) };
  }

  async #print(name: OutputName, data: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(data as Uint8Array);
    if (bytes.length === 0 || this.#killed.signal.aborted) return;
    const offset = this.#offsets[name];
    this.#offsets[name] += bytes.length;
    const piece = { name, bytes, offset, taken: Promise.withResolvers<void>() };
    this.#pieces.push(piece);
    this.#client?.pump();
    await piece.taken.promise;
  }

  #write(bytes: Uint8Array): Promise<void> {
    if (this.#stdin.destroyed)
      return Promise.reject(sandboxError("data-lost", `exec ${this.id}: it ended before it got all input`));
    return new Promise((resolve, reject) => this.#stdin.write(bytes, (error) => (error ? reject(error) : resolve())));
  }
}

/** One client of a scripted process. */
class ScriptedClient {
  /** Rejects once the client has left. */
  readonly left: Promise<never>;
  readonly #pieces: readonly Piece[];
  readonly #from: Readonly<Record<OutputName, number>>;
  readonly #take: TakeOutput;
  readonly #left = Promise.withResolvers<never>();
  #isEnded = false;
  #at = 0;
  #pumping: Promise<void> | undefined;

  constructor(pieces: readonly Piece[], from: Readonly<Record<OutputName, number>>, take: TakeOutput) {
    this.#pieces = pieces;
    this.#from = { ...from };
    this.#take = take;
    this.left = this.#left.promise;
    this.left.catch(() => undefined);
  }

  /** Gives the client what there is, one piece after the other. */
  pump(): void {
    this.#pumping ??= this.#giveAll().finally(() => {
      this.#pumping = undefined;
    });
  }

  async drained(): Promise<void> {
    await this.#pumping;
  }

  end(error: Error): void {
    this.#isEnded = true;
    this.#left.reject(error);
  }

  async #giveAll(): Promise<void> {
    for (;;) {
      const piece = this.#pieces[this.#at];
      if (piece === undefined || this.#isEnded) return;
      const { name, bytes, offset, taken } = piece;
      const cut = Math.max(this.#from[name] - offset, 0);
      if (cut < bytes.length) await this.#take(name, bytes.subarray(cut), offset + cut);
      this.#at++;
      taken.resolve();
    }
  }
}
