import { once } from "node:events";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { connectVsock } from "../../kernel/sys/streams.ts";
import type { ServiceTable } from "../../service/dispatch.ts";
import type { Log } from "../log.ts";
import { encodeSpans } from "./encode-spans.ts";
import { SpanExporter } from "./span-exporter.ts";
import { traceCalls } from "./trace-calls.ts";

/** VMADDR_CID_HOST, and the port that Kata's forwarder listens on. */
const COLLECTOR = { cid: 2, port: 10_240 };

export interface Tracing {
  readonly counts: { readonly sent: number; readonly dropped: number };
  /** The same calls, which make spans. */
  traced(table: ServiceTable): ServiceTable;
  close(): Promise<void>;
}

/** Spans go to the host's port; where the API is a unix socket, to one beside it. */
export function startTracing(serverAddress: string, version: string, log: Log): Tracing {
  const exporter = new SpanExporter({
    connect: () => connectCollector(serverAddress),
    encode: (spans) => encodeSpans(spans, version),
    onState: (line) => log.info(line),
  });
  return {
    counts: exporter.counts,
    traced: (table) => traceCalls(table, (span) => exporter.add(span)),
    close: () => exporter.close(),
  };
}

async function connectCollector(serverAddress: string): Promise<Duplex> {
  const path = /^unix:\/\/(.*)$/.exec(serverAddress)?.[1];
  if (path === undefined) return connectVsock(COLLECTOR);
  const socket = createConnection(`${path.replace(/^@/, "\0")}_${COLLECTOR.port}`);
  await once(socket, "connect");
  return socket;
}
