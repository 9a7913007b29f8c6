import { oneLine } from "../../operation-error.ts";
import type { CheckedFields } from "../checked-fields.ts";
import { containerOf, targetOf } from "../find-target.ts";
import { readAgentLog } from "../logs/agent-source.ts";
import { readContainer } from "../logs/container-source.ts";
import { LogSender } from "../logs/log-sender.ts";
import type { LogTaker } from "../logs/log-source.ts";
import { AGENT_LOG } from "../protocol/logs.ts";
import type { ServeContext } from "../serve-context.ts";
import type { Channel, ChannelPort } from "../socket/channel.ts";

/** Most sources of one channel. */
const MAX_SOURCES = 256;
const MAX_TAIL = 10_000;
const DEFAULT_TAIL = 500;
const MAX_SEARCH = 200;
/** Bytes of the past of all sources together, for each line that is wanted unless lines are searched, and of each source at least. */
const PAST_BYTES = 4 << 20;
const LINE_BYTES = 1024;
const MIN_PAST_BYTES = 16 * 1024;
/** How long the past of a slow source is waited for, in ms. */
const PAST_MS = 3000;

/** Opens logs. Throws OperationError. */
export function openLogs(fields: CheckedFields, port: ChannelPort, context: ServeContext): Channel {
  const options = {
    tail: fields.optionalWhole("tail", 0, MAX_TAIL) ?? DEFAULT_TAIL,
    search: fields.optionalText("search", MAX_SEARCH),
  };
  const guest = fields.text("guest");
  targetOf(context, guest);
  const containers = fields.optionalTexts("containers", MAX_SOURCES, 256);
  const pastBytes = options.search === undefined ? Math.min(PAST_BYTES, options.tail * LINE_BYTES) : PAST_BYTES;
  return new LogsChannel({ guest, containers, pastBytes, sender: new LogSender(port, options), port, context });
}

interface LogsParts {
  readonly guest: string;
  /** Undefined for all of the guest. */
  readonly containers: readonly string[] | undefined;
  /** Bytes of the past that are read of all sources together. */
  readonly pastBytes: number;
  readonly sender: LogSender;
  readonly port: ChannelPort;
  readonly context: ServeContext;
}

/** Merged and followed logs of a guest's containers. */
class LogsChannel implements Channel {
  readonly #parts: LogsParts;
  readonly #closing = new AbortController();
  readonly #sources = new Set<string>();
  /** Sources whose past isn't read yet. */
  readonly #pending = new Set<string>();
  readonly #unsubscribe: () => void;
  readonly #late: NodeJS.Timeout;

  constructor(parts: LogsParts) {
    this.#parts = parts;
    const { context, containers, sender } = parts;
    this.#unsubscribe = containers === undefined ? context.feed.onChange(() => this.#follow()) : () => undefined;
    this.#late = setTimeout(() => sender.endPast(), PAST_MS);
    this.#open(containers ?? this.#running(), parts.pastBytes);
    if (this.#pending.size === 0) sender.endPast();
  }

  receive(message: CheckedFields): void {
    this.#parts.sender.shown(message.whole("shown", 0, Number.MAX_SAFE_INTEGER));
  }

  close(): void {
    clearTimeout(this.#late);
    this.#unsubscribe();
    this.#parts.sender.close();
    this.#closing.abort();
  }

  #running(): readonly string[] {
    const tree = this.#parts.context.feed.guests.find(({ name }) => name === this.#parts.guest);
    return tree?.containers.map(({ id }) => id) ?? [];
  }

  /** Opens the logs of containers that are new; of one that was started again, its next one. */
  #follow(): void {
    const running = this.#running();
    for (const id of this.#sources) if (!running.includes(id)) this.#sources.delete(id);
    this.#open(running, PAST_BYTES); // all that they have printed is new
  }

  #open(containers: readonly string[], pastBytes: number): void {
    const added = containers.filter((id) => !this.#sources.has(id)).slice(0, MAX_SOURCES - this.#sources.size);
    const tailBytes = Math.max(MIN_PAST_BYTES, Math.floor(pastBytes / Math.max(added.length, 1)));
    for (const id of added) {
      this.#sources.add(id);
      this.#pending.add(id);
    }
    for (const id of added) void this.#read(id, tailBytes);
  }

  /** Never rejects. */
  async #read(id: string, tailBytes: number): Promise<void> {
    const { guest, context, sender, port } = this.#parts;
    const { signal } = this.#closing;
    const taker: LogTaker = {
      lines: (part) => (id === AGENT_LOG ? sender.linesOrDrop(part) : sender.lines(part)),
      gap: (part) => sender.gap(part),
      live: () => this.#live(id),
    };
    try {
      if (id === AGENT_LOG) await readAgentLog(targetOf(context, guest), { signal, taker });
      else await readContainer(containerOf(context, guest, id), { tailBytes, signal, taker });
      port.send({ source: { container: id, state: "ended", reason: `container ${id} has ended` } });
    } catch (error) {
      if (!signal.aborted) port.send({ source: { container: id, state: "unreadable", reason: oneLine(error) } });
    }
    this.#live(id);
  }

  #live(id: string): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#parts.sender.endPast();
  }
}
