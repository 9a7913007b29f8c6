import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { vi } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import type { TraceCollector } from "../namespaces/testing/sdk-trace-suite.ts";
import type { ReadSpan } from "../scenarios/read-spans.ts";
import { freePort } from "../testing/free-port.ts";

/** Milliseconds in which the spans arrive; the agent alone gathers them for half a second. */
const ARRIVAL_MS = 30_000;

/** A value of OTLP's JSON. */
interface Value {
  readonly stringValue?: string;
  readonly intValue?: string;
}

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

/** A line of the collector's file. */
interface JsonExport {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly JsonSpan[] }[];
  }[];
}

/** Builds the collector of this folder with Go, whose modules come from the Go module proxy once, and starts it. */
export async function startCollector(): Promise<TraceCollector> {
  const directory = makeWorkDirectory("otel-collector");
  const program = join(directory, "collector");
  const env = { ...process.env, GOFLAGS: "-mod=readonly", GOTOOLCHAIN: "local", GOWORK: "off" };
  await promisify(execFile)("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", program, "."], {
    cwd: import.meta.dirname,
    env,
  });
  const output = join(directory, "spans.jsonl");
  const endpoint = `127.0.0.1:${await freePort()}`;
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint } } } },
    exporters: { file: { path: output, flush_interval: "100ms" } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: { traces: { receivers: ["otlp"], exporters: ["file"] } },
    },
  };
  writeFileSync(join(directory, "config.yaml"), JSON.stringify(config));
  const child = spawn(program, ["--config", join(directory, "config.yaml")], { stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    lines.push(line);
    if (line.includes("Everything is ready")) break;
  }
  if (child.exitCode !== null) throw new Error(`the collector has ended: ${lines.join("\n")}`);
  child.stderr.resume();
  return {
    url: `http://${endpoint}`,
    until(isLast) {
      return vi.waitFor(
        () => {
          const spans = spansOf(output);
          if (!spans.some(isLast)) throw new Error(`the last span is missing: ${spans.map(({ name }) => name)}`);
          return spans;
        },
        { timeout: ARRIVAL_MS, interval: 100 },
      );
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, "close");
      child.kill();
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}

/** Returns the spans of whole lines. */
function spansOf(file: string): readonly ReadSpan[] {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  return lines.flatMap((line) =>
    (JSON.parse(line) as JsonExport).resourceSpans.flatMap(({ resource, scopeSpans }) => {
      const service = attributesOf(resource.attributes)["service.name"];
      return scopeSpans.flatMap(({ spans }) => spans.map((span) => readSpan(span, service)));
    }),
  );
}

function readSpan(span: JsonSpan, service: unknown): ReadSpan {
  const { code, message = "" } = span.status ?? {};
  return {
    ...{ service, trace: span.traceId, id: span.spanId, parent: span.parentSpanId ?? "", name: span.name },
    ...{ kind: span.kind, began: Number(span.startTimeUnixNano), ended: Number(span.endTimeUnixNano) },
    attributes: attributesOf(span.attributes),
    status: code === undefined ? undefined : { code, message },
  };
}

function attributesOf(list: readonly Attribute[] = []): Record<string, unknown> {
  return Object.fromEntries(
    list.map(({ key, value }) => [
      key,
      value.stringValue ?? (value.intValue === undefined ? undefined : Number(value.intValue)),
    ]),
  );
}
