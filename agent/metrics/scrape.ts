import { agentProcess } from "./agent-process.ts";
import type { CallDurations } from "./call-durations.ts";
import type { CallErrors } from "./call-errors.ts";
import { EventLoopLag } from "./event-loop-lag.ts";
import { formatMetrics } from "./format-metrics.ts";
import { guestCpu } from "./guest-cpu.ts";
import { guestDiskstat } from "./guest-diskstat.ts";
import { GuestFilesystems, type Statfs } from "./guest-filesystem.ts";
import { guestLoad } from "./guest-load.ts";
import { guestMeminfo } from "./guest-meminfo.ts";
import { guestNetdev } from "./guest-netdev.ts";
import { guestVmstat } from "./guest-vmstat.ts";
import { type MetricFamily, plainGauge } from "./metric-family.ts";
import type { ReadText } from "./proc-text.ts";

export interface GuestMetricsOptions {
  readonly readText: ReadText;
  readonly statfs: Statfs;
  /** The agent's process id. */
  readonly pid: number;
  /** Number of times init has restarted the agent since boot. */
  readonly restarts?: number;
  /** Processes launched by this agent. */
  readonly launches?: () => number;
  /** JavaScript heap in use, bytes. */
  readonly heapBytes?: () => number | undefined;
  readonly lag?: EventLoopLag;
  readonly calls?: { readonly durations: CallDurations; readonly errors: CallErrors };
  /** Bytes of processes' stdio that went between this agent and its clients. */
  readonly streamBytes?: () => Readonly<Record<"stdin" | "stdout" | "stderr", number>>;
  /** Spans sent, and spans dropped for lack of room. Set only if calls are traced. */
  readonly spans?: { readonly sent: number; readonly dropped: number } | undefined;
}

/** Answers GetMetrics. `close` stops its only timer, which never keeps the process alive. */
export class GuestMetrics {
  readonly #options: GuestMetricsOptions;
  readonly #lag: EventLoopLag;
  readonly #filesystems: GuestFilesystems;
  #scrapes = 0;

  constructor(options: GuestMetricsOptions) {
    this.#options = options;
    this.#lag = options.lag ?? new EventLoopLag();
    this.#filesystems = new GuestFilesystems(options.statfs);
  }

  /** Returns Prometheus text. Never throws: if a file can't be read, its series are left out. */
  async scrape(): Promise<string> {
    this.#scrapes += 1;
    const filesystems = await this.#filesystems.families(this.#options.readText);
    return formatMetrics(this.#families(filesystems));
  }

  close(): void {
    this.#lag.close();
  }

  *#families(filesystems: readonly MetricFamily[]): Generator<MetricFamily> {
    const { readText, pid } = this.#options;
    yield counter("kata_agent_scrape_count", "Scrapes that this agent has answered.", this.#scrapes);
    yield* agentProcess(readText, pid);
    yield* guestLoad(readText);
    yield* guestCpu(readText);
    yield* guestVmstat(readText);
    yield* guestNetdev(readText);
    yield* guestDiskstat(readText);
    yield* guestMeminfo(readText);
    yield* filesystems;
    yield* this.#own();
  }

  *#own(): Generator<MetricFamily> {
    const { restarts, launches, calls, streamBytes, spans, heapBytes = heapUsed } = this.#options;
    const lag = this.#lag.take();
    yield plainGauge(
      "guestd_event_loop_lag_seconds",
      "Worst delay of a timer of the agent since the last scrape.",
      lag,
    );
    yield plainGauge("guestd_heap_bytes", "JavaScript heap of the agent in use, in bytes.", heapBytes());
    yield counter("guestd_agent_restarts", "Times that init restarted the agent.", restarts);
    yield counter("guestd_launches_total", "Processes launched by this agent.", launches?.());
    yield counter("guestd_trace_spans_total", "Spans sent to the trace collector.", spans?.sent);
    yield counter("guestd_trace_spans_dropped_total", "Spans dropped for lack of room in the queue.", spans?.dropped);
    if (streamBytes !== undefined) yield streamFamily(streamBytes());
    if (calls === undefined) return;
    yield calls.durations.family();
    yield calls.errors.family();
  }
}

/** Returns undefined if no descriptor is left: Node also reads /proc/self/stat here. */
function heapUsed(): number | undefined {
  try {
    return process.memoryUsage().heapUsed;
  } catch {
    return undefined;
  }
}

function streamFamily(bytes: Readonly<Record<string, number>>): MetricFamily {
  const samples = Object.entries(bytes).map(([stream, value]) => ({ labels: { stream }, value }));
  const help = "Bytes of processes' stdio that went between this agent and its clients.";
  return { name: "guestd_stream_bytes_total", type: "counter", help, samples };
}

function counter(name: string, help: string, value: number | undefined): MetricFamily {
  return { ...plainGauge(name, help, value), type: "counter" };
}
