import { expect } from "vitest";
import { type Attachment, type AttachRequest, attach } from "../../../host/client/streams/attachment.ts";
import { processSpec } from "../../../host/engine/image/image-config.ts";
import { NOWHERE } from "./template-machine.ts";

/** Id of the container in which they run. */
export const CONTAINER = "box";
/** Lines of the process whose output is held: several times what its pipes take. */
const HELD_LINES = 120_000;
/** Bytes that a client takes of it before the snapshot. */
const TAKEN_BYTES = 100_000;
const RING_BYTES = 64 * 1024;
/** Input of the process that doesn't read it before the snapshot: less than a pipe. */
const INPUT = Buffer.from(numbers(8000));
const LINES = numbers(HELD_LINES);
const [ONE, TWO] = ["one\n", "two\n"] as const;
/** First process of the container, whose output is a log. */
export const FIRST_PROCESS = ["sh", "-c", "echo from the first process; exec sleep 100000"];
const LOG = "from the first process\n";

const COUNTING = "n=0; while [ ! -e /root/stop ]; do seq $((n+1)) $((n+500)); n=$((n+500)); sleep 0.05; done; exit 5";
const SCRIPTS = {
  held: `seq 1 ${HELD_LINES}; exit 3`,
  untouched: `seq 1 ${HELD_LINES}; exit 4`,
  counting: COUNTING,
  echo: "cat; exit 6",
  late: "while [ ! -e /root/go ]; do sleep 0.05; done; cat; exit 7",
  ring: `seq 1 ${HELD_LINES}; touch /root/printed; exec sleep 100000`,
  terminal: "stty raw -echo; echo ready; exec cat",
} as const;
type Name = keyof typeof SCRIPTS;

/** Returns the lines that `seq 1 COUNT` prints. */
function numbers(count: number): string {
  return Array.from({ length: count }, (_, at) => `${at + 1}\n`).join("");
}

/** Output that a client took. */
export interface Taken {
  /** Offset of the first byte; undefined without any. */
  readonly start: number | undefined;
  readonly text: string;
  readonly gaps: readonly (readonly [from: number, to: number])[];
}

/** A client that takes a process's output and remembers it. */
export class Follower implements Taken, Disposable {
  readonly attachment: Attachment;
  start: number | undefined;
  text = "";
  readonly gaps: (readonly [number, number])[] = [];
  disconnections = 0;
  #woken = Promise.withResolvers<void>();

  /** With `until`, leaves once it has at least so many bytes; with 0 it ends without any. */
  constructor(address: string, request: AttachRequest, until = Infinity) {
    this.attachment = attach(address, request, {
      onData: async (_, bytes, offset) => {
        if (until === 0) throw new Error("it takes nothing");
        this.start ??= offset;
        this.text += Buffer.from(bytes).toString("latin1");
        if (this.text.length >= until) queueMicrotask(() => this.attachment.close());
        this.#woken.resolve();
        this.#woken = Promise.withResolvers();
      },
      onGap: (_, from, to) => void this.gaps.push([from, to]),
      onDisconnect: () => void this.disconnections++,
    });
    this.attachment.exit.catch(() => undefined); // whoever waits gets it
  }

  /** Resolves once the text ends so; rejects if the attachment ends before. */
  async endsWith(wanted: string): Promise<void> {
    while (!this.text.endsWith(wanted)) await Promise.race([this.#woken.promise, this.#cut()]);
  }

  async #cut(): Promise<never> {
    await this.attachment.exit;
    throw new Error(`the process ended after ${JSON.stringify(this.text.slice(-100))}`);
  }

  /** Leaves the process, which continues. */
  async leave(): Promise<void> {
    this.attachment.close();
    await expect(this.attachment.exit).rejects.toThrow(/detached$/);
  }

  [Symbol.dispose](): void {
    this.attachment.close();
  }
}

/** Where clients were at the moment of a snapshot. */
export interface Positions {
  readonly epoch: Uint8Array;
  /** Bytes that the client had which left the process `held`. */
  readonly held: number;
  /** Output that the ring keeps, in the guest that was saved. */
  readonly ring: Taken;
}

const requestOf = (name: Name): AttachRequest => ({ container: CONTAINER, exec: name });

/** Creates a file in the container, or waits for one. */
type OnFile = (path: string) => Promise<unknown>;

/** Starts the processes. Returns those clients that stay, and where the others were. */
export async function startProcesses(address: string, appears: OnFile) {
  const start = (name: Name, options: Partial<AttachRequest> = {}, until?: number) => {
    const terminal = name === "terminal" ? { terminal: { rows: 24, columns: 80 } } : {};
    const process = processSpec({}, NOWHERE, { entrypoint: [], args: ["sh", "-c", SCRIPTS[name]], ...terminal });
    return new Follower(address, { ...requestOf(name), process, ...options }, until);
  };
  const held = start("held", {}, TAKEN_BYTES);
  await expect(held.attachment.exit).rejects.toThrow(/detached$/);
  const { epoch = Buffer.of(), stdout = 0 } = held.attachment.position ?? {};
  const [untouched, late] = [start("untouched", {}, 0), start("late")];
  const ringing = start("ring", { mode: "ring", keepBytes: RING_BYTES });
  await expect(untouched.attachment.exit).rejects.toThrow("it takes nothing");
  await late.attachment.write(INPUT);
  await ringing.attachment.attached;
  await Promise.all([late, ringing].map((client) => client.leave()));
  await appears("/root/printed");
  const ring = await ringOf(address);
  const staying = { counting: start("counting"), echo: start("echo"), terminal: start("terminal") };
  await staying.echo.attachment.write(Buffer.from(ONE));
  await Promise.all([
    staying.echo.endsWith(ONE),
    staying.terminal.endsWith("ready\n"),
    staying.counting.endsWith("500\n"),
  ]);
  return { positions: { epoch, held: stdout, ring } satisfies Positions, staying };
}

/** Reads what a ring keeps. */
async function ringOf(address: string): Promise<Taken> {
  using client = new Follower(address, { ...requestOf("ring"), from: { stdout: 0 } });
  await client.endsWith(`\n${HELD_LINES}\n`);
  const { start, text, gaps } = client;
  await client.leave();
  return { start, text, gaps };
}

/** Lets a client take some more of the output that is held. Returns the positions by then. */
export async function takeMore(address: string, positions: Positions): Promise<Positions> {
  const more = new Follower(address, { ...requestOf("held"), from: { stdout: positions.held } }, TAKEN_BYTES);
  await expect(more.attachment.exit).rejects.toThrow(/detached$/);
  expect([more.start, more.text === LINES.slice(positions.held, positions.held + more.text.length)]).toEqual([
    positions.held,
    true,
  ]);
  return { ...positions, held: positions.held + more.text.length };
}

/** Expects that positions in a guest's streams mean nothing in its clone. */
export async function expectOtherEpoch(address: string, { epoch, held }: Positions): Promise<void> {
  using late = new Follower(address, { ...requestOf("held"), from: { epoch, stdout: held } });
  await expect(late.attachment.exit).rejects.toThrow(/the guest was started again/);
}

/** Expects a process's rest from an offset on, and its exit code. */
async function expectRest(address: string, name: Name, from: number, code: number): Promise<void> {
  using client = new Follower(address, { ...requestOf(name), from: { stdout: from } });
  expect(await client.attachment.exit, name).toMatchObject({ code });
  expect([client.start, client.text === LINES.slice(from), client.gaps], name).toEqual([from, true, []]);
}

/**
 * Ends all processes in a guest, and expects that each printed what it had to: from where its clients were at the
 * snapshot or, in the guest that was saved, to the clients that stayed.
 */
export async function expectAllStreams(
  address: string,
  { held, ring }: Positions,
  touch: OnFile,
  staying?: Awaited<ReturnType<typeof startProcesses>>["staying"],
): Promise<void> {
  await expectRest(address, "held", held, 3);
  await expectRest(address, "untouched", 0, 4);
  expect(await ringOf(address)).toEqual(ring);

  using echo = staying?.echo ?? new Follower(address, requestOf("echo"));
  expect((await echo.attachment.attached).stdin).toBe(staying === undefined ? ONE.length : 0);
  await echo.attachment.write(Buffer.from(TWO));
  echo.attachment.end();
  expect(await echo.attachment.exit).toMatchObject({ code: 6, stdout: `${ONE}${TWO}`.length });
  expect(`${ONE.slice(0, echo.start)}${echo.text}`).toBe(`${ONE}${TWO}`);

  using terminal = staying?.terminal ?? new Follower(address, requestOf("terminal"));
  await terminal.attachment.attached;
  await terminal.attachment.write(Buffer.from(TWO));
  await terminal.endsWith(TWO);
  expect(`${"ready\n".slice(0, terminal.start)}${terminal.text}`).toBe(`ready\n${TWO}`);

  await touch("/root/go");
  using late = new Follower(address, requestOf("late"));
  await late.attachment.attached;
  late.attachment.end();
  expect(await late.attachment.exit).toMatchObject({ code: 7 });
  expect(late.text === INPUT.toString()).toBe(true);

  using counting = staying?.counting ?? new Follower(address, requestOf("counting"));
  await counting.attachment.attached;
  await touch("/root/stop");
  const { code, stdout } = await counting.attachment.exit;
  expect(code).toBe(5);
  const lines = numbers(Number(counting.text.trimEnd().split("\n").at(-1)));
  expect([lines.length, counting.text === lines.slice(counting.start)]).toEqual([stdout, true]);
  if (staying !== undefined) expect(counting.start).toBe(0);

  using log = new Follower(address, { container: CONTAINER, observe: true });
  await log.endsWith(LOG);
  expect([log.start, log.text]).toEqual([0, LOG]);
}
