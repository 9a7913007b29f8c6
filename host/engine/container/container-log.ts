import { RpcError } from "../../client/rpc-error.ts";
import { attach } from "../../client/streams/attachment.ts";
import type { OutputName, Position } from "../../client/streams/position.ts";
import { OperationError } from "../../operation-error.ts";
import { type LogLines, LogPast } from "./log-past.ts";

export interface ContainerLogOptions {
  /** Prints what follows until the end of the container. */
  readonly follow: boolean;
  /** Most lines of the past; undefined prints all. */
  readonly tail: number | undefined;
  readonly since: Date | undefined;
  readonly timestamps: boolean;
  readonly signal: AbortSignal;
  /** Called with whole lines, or parts of a line. */
  print(name: OutputName, bytes: Uint8Array): Promise<void>;
  /** Called with one line about lines that are gone; the log waits for its promise. */
  warn(line: string): unknown;
}

/**
 * Prints the log that the agent keeps of a container's first process: its past in the order of its times, as far as it
 * fits into memory, then with `follow` what comes. `address` is that of guestd.v1.Streams. Throws OperationError if the agent keeps no log of it.
 */
export async function readContainerLog(
  address: string,
  container: string,
  options: ContainerLogOptions,
): Promise<void> {
  const { follow, since, signal, warn } = options;
  const times: Partial<Record<OutputName, Date>> = {};
  const past = new LogPast(options.tail);
  const printer = new LinePrinter(options);
  let isPast = true;
  const leave = new AbortController();
  const endPast = async () => {
    if (!isPast) return;
    isPast = false;
    if (past.isCut)
      await warn(`the last ${options.tail} lines are too long to be ordered; the older ones are left out`);
    for (const lines of past.take()) await printer.print(lines);
    if (!follow) leave.abort();
  };
  const take = async (name: OutputName, bytes: Uint8Array, offset: number) => {
    const { end } = await attachment.attached;
    const time = times[name];
    const ready = isPast ? past.add(name, time, bytes) : [{ name, time, parts: [bytes] }];
    for (const lines of ready) await printer.print(lines);
    if (hasReached({ ...attachment.position, [name]: offset + bytes.length }, end)) await endPast();
  };
  const attachment = attach(
    address,
    { container, observe: true, ...(since && { since }) },
    {
      onTime: (name, time) => {
        times[name] = time;
      },
      onData: take,
      onGap: (name, from, to, reason) => warn(`bytes ${from} to ${to} of ${name} are gone: ${reason}`),
      signal: AbortSignal.any([signal, leave.signal]),
    },
  );
  let isAttached = false;
  try {
    const { end, keepBytes } = await attachment.attached;
    isAttached = true;
    if (keepBytes === 0) throw noLog(container);
    if (hasReached(attachment.position ?? {}, end)) await endPast();
    await attachment.exit;
    await endPast();
  } catch (error) {
    attachment.close();
    attachment.exit.catch(() => undefined);
    if (signal.aborted || leave.signal.aborted) return;
    if (!isAttached && error instanceof RpcError && error.kind === "failed-precondition") throw noLog(container);
    throw error;
  }
}

function noLog(container: string): OperationError {
  const why = "an agent keeps logs with agent.container_logs=BYTES, as guests of guestctl do, unless a host reads them";
  return new OperationError(`logs ${container}: no log is kept; ${why} by calls`);
}

const hasReached = ({ stdout = 0, stderr = 0 }: Partial<Position>, end: Position): boolean =>
  stdout >= end.stdout && stderr >= end.stderr;

/** Prints lines and parts of lines, with a time at the beginning of each line if that is wanted. */
class LinePrinter {
  readonly #options: Pick<ContainerLogOptions, "timestamps" | "print">;
  /** Outputs whose last line has no end yet. */
  readonly #open = new Set<OutputName>();

  constructor(options: Pick<ContainerLogOptions, "timestamps" | "print">) {
    this.#options = options;
  }

  async print({ name, time, parts }: LogLines): Promise<void> {
    const { timestamps, print } = this.#options;
    for (const bytes of parts) await print(name, timestamps ? this.#stamped(name, time, bytes) : bytes);
  }

  #stamped(name: OutputName, time: Date | undefined, bytes: Uint8Array): Uint8Array {
    const stamp = `${time?.toISOString() ?? "-"} `;
    const text = Buffer.from(bytes).toString("latin1"); // a character for each byte
    const stamped = `${this.#open.has(name) ? "" : stamp}${text.replace(/\n(?!$)/g, `\n${stamp}`)}`;
    if (text.endsWith("\n")) this.#open.delete(name);
    else this.#open.add(name);
    return Buffer.from(stamped, "latin1");
  }
}
