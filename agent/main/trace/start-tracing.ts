import { once } from "node:events";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { encodeSpans } from "../../../proto/encode-spans.ts";
import { connectVsock } from "../../kernel/sys/streams.ts";
import type { ServiceTable } from "../../service/dispatch.ts";
import type { StartedProcess } from "../../service/streams/attach.ts";
import type { Log } from "../log.ts";
import { SpanExporter } from "./span-exporter.ts";
import { traceCall, traceCalls } from "./trace-calls.ts";

/** VMADDR_CID_HOST, and the port that Kata's forwarder listens on. */
const COLLECTOR = { cid: 2, port: 10_240 };
const LENGTH_BYTES = 8;

export interface Tracing {
  readonly counts: { readonly sent: number; readonly dropped: number };
  /** Returns a table whose calls create spans. */
  traced(table: ServiceTable): ServiceTable;
  /** Creates the span of a process that a client of guestd.v1.Streams starts. */
  traceStart<T>(request: StartedProcess, start: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Sends spans to the host's vsock port, or to a unix socket named after that of the API. */
export function startTracing(serverAddress: string, version: string, log: Log): Tracing {
  const exporter = new SpanExporter({
    connect: () => connectCollector(serverAddress),
    encode: (spans) => framed(encodeSpans(spans, "guestd", version)),
    onState: (line) => log.info(line),
  });
  return {
    counts: exporter.counts,
    traced: (table) => traceCalls(table, (span) => exporter.add(span)),
    traceStart({ traceparent, container_id: container, exec_id: exec }, start) {
      const call = { service: "guestd.v1.Streams", method: "Attach", traceparent, subject: { container, exec } };
      return traceCall(call, start, (span) => exporter.add(span));
    },
    close: () => exporter.close(),
  };
}

/** Puts eight bytes of length, big endian, before a message, as Kata's forwarder expects. */
function framed(body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + body.length);
  bytes.writeBigUInt64BE(BigInt(body.length));
  bytes.set(body, LENGTH_BYTES);
  return bytes;
}

async function connectCollector(serverAddress: string): Promise<Duplex> {
  const path = /^unix:\/\/(.*)$/.exec(serverAddress)?.[1];
  if (path === undefined) return connectVsock(COLLECTOR);
  const socket = createConnection(`${path.replace(/^@/, "\0")}_${COLLECTOR.port}`);
  await once(socket, "connect");
  return socket;
}
