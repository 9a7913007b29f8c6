import { AttachError } from "../client/streams/attach-error.ts";
import { attach, type OutputName, type Position } from "../client/streams/attachment.ts";
import { OperationError } from "../operation-error.ts";

export interface ContainerLogOptions {
  /** Prints what follows until the end of the container. */
  readonly follow: boolean;
  /** Most lines of the past; undefined prints all. */
  readonly tail: number | undefined;
  readonly since: Date | undefined;
  readonly timestamps: boolean;
  readonly signal: AbortSignal;
  print(name: OutputName, bytes: Uint8Array): Promise<void>;
  /** Called with one line about bytes that are gone. */
  warn(line: string): void;
}

/** A line with its end, or the last part of an output without one. */
interface Line {
  readonly name: OutputName;
  readonly time: Date | undefined;
  readonly bytes: Uint8Array;
}

const NEWLINE = 10;

/**
 * Prints the log that the agent keeps of a container's first process: its past in the order of its times, then with
 * `follow` what comes. `address` is that of guestd.v1.Streams. Throws OperationError if the agent keeps no log of it.
 */
export async function readContainerLog(
  address: string,
  container: string,
  options: ContainerLogOptions,
): Promise<void> {
  const { follow, since, signal, warn } = options;
  const times: Partial<Record<OutputName, Date>> = {};
  const past: Line[] = [];
  const printer = new LinePrinter(options);
  let isPast = true;
  const leave = new AbortController();
  const endPast = async () => {
    if (!isPast) return;
    isPast = false;
    for (const line of lastLines(past, options.tail)) await printer.print(line);
    if (!follow) leave.abort();
  };
  const take = async (name: OutputName, bytes: Uint8Array, offset: number) => {
    const { end } = await attachment.attached;
    for (const line of linesOf(name, times[name], bytes)) {
      if (isPast) past.push(line);
      else await printer.print(line);
    }
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
    if (!isAttached && error instanceof AttachError && error.kind === "failed-precondition") throw noLog(container);
    throw error;
  }
}

function noLog(container: string): OperationError {
  const why = "an agent keeps logs with agent.container_logs=BYTES, as guests of guestctl do, unless a host reads them";
  return new OperationError(`logs ${container}: no log is kept; ${why} by calls`);
}

const hasReached = ({ stdout = 0, stderr = 0 }: Partial<Position>, end: Position): boolean =>
  stdout >= end.stdout && stderr >= end.stderr;

/** Splits bytes after each newline. */
function linesOf(name: OutputName, time: Date | undefined, bytes: Uint8Array): Line[] {
  const lines: Line[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    lines.push({ name, time, bytes: Buffer.from(bytes.subarray(at, end)) });
    at = end;
  }
  return lines;
}

const isWhole = ({ bytes }: Line): boolean => bytes.at(-1) === NEWLINE;

/** Joins the parts of each output's lines, orders the lines by their times, and returns the last ones. */
function lastLines(parts: readonly Line[], count: number | undefined): Line[] {
  const lines: Line[] = [];
  const open: Partial<Record<OutputName, number>> = {};
  for (const part of parts) {
    const at = open[part.name];
    const before = at === undefined ? undefined : lines[at];
    if (at !== undefined && before !== undefined)
      lines[at] = { ...before, bytes: Buffer.concat([before.bytes, part.bytes]) };
    else open[part.name] = lines.push(part) - 1;
    if (isWhole(part)) delete open[part.name];
  }
  lines.sort((a, b) => (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0));
  return count === undefined ? lines : lines.slice(Math.max(lines.length - count, 0));
}

/** Prints lines and parts of lines, with a time at the beginning of each line if that is wanted. */
class LinePrinter {
  readonly #options: Pick<ContainerLogOptions, "timestamps" | "print">;
  /** Outputs whose last line has no end yet. */
  readonly #open = new Set<OutputName>();

  constructor(options: Pick<ContainerLogOptions, "timestamps" | "print">) {
    this.#options = options;
  }

  async print(line: Line): Promise<void> {
    const { name, time, bytes } = line;
    const { timestamps, print } = this.#options;
    if (timestamps && !this.#open.has(name)) await print(name, Buffer.from(`${time?.toISOString() ?? "-"} `));
    await print(name, bytes);
    if (isWhole(line)) this.#open.delete(name);
    else this.#open.add(name);
  }
}
