import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Span } from "../../../proto/span.ts";
import { SpanExporter } from "./span-exporter.ts";

const span = (name: string): Span => ({
  traceId: new Uint8Array(16),
  spanId: new Uint8Array(8),
  parentId: undefined,
  kind: "server",
  name,
  began: 0,
  ended: 1,
  attributes: {},
});
const encode = (spans: readonly Span[]) => Buffer.from(spans.map(({ name }) => `${name}\n`).join(""));

/** The collector's side of a connection; `takes`: it reads. */
function collector(takes = true) {
  let text = "";
  const socket = new Duplex({
    read: () => undefined,
    write(chunk, _encoding, done) {
      text += chunk;
      if (takes) done();
    },
  });
  return { socket, text: () => text };
}

test("keeps spans until a collector is reachable, and reports once that none is", async () => {
  const lines: string[] = [];
  const { socket, text } = collector();
  let refusals = 0;
  const exporter = new SpanExporter({
    connect: async () => {
      if (++refusals < 4) throw new Error("refused");
      return socket;
    },
    encode,
    onState: (line) => lines.push(line),
    firstRetryMs: 5,
  });
  exporter.add(span("early"));
  await expect.poll(() => exporter.counts.sent).toBe(1);
  expect(text()).toBe("early\n");
  expect(lines).toEqual(["no trace collector: refused", "spans go to the trace collector"]);
  await exporter.close();
});

test("drops spans beyond its queue, and counts them", async () => {
  const exporter = new SpanExporter({ connect: () => Promise.reject(new Error("refused")), encode });
  for (let count = 0; count < 2058; count++) exporter.add(span("x"));
  expect(exporter.counts).toEqual({ sent: 0, dropped: 10 });
  await exporter.close();
  expect(exporter.counts).toEqual({ sent: 0, dropped: 2058 });
});

test("a collector that reads nothing gets a bounded amount", async () => {
  const { socket } = collector(false);
  const exporter = new SpanExporter({
    connect: async () => socket,
    encode: () => Buffer.alloc(600_000),
  });
  for (let round = 0; round < 8; round++) {
    for (let count = 0; count < 128; count++) exporter.add(span("x"));
    await sleep(150);
  }
  expect(exporter.counts.sent).toBe(2 * 128);
  await exporter.close();
});

test("a collector that keeps up gets a whole burst", async () => {
  const { socket, text } = collector();
  const exporter = new SpanExporter({ connect: async () => socket, encode });
  exporter.add(span("x"));
  await expect.poll(() => exporter.counts.sent).toBe(1);
  for (let turn = 0; turn < 50; turn++) {
    for (let count = 0; count < 100; count++) exporter.add(span("x"));
    await sleep(2);
  }
  await exporter.close();
  expect([exporter.counts, text().length]).toEqual([{ sent: 5001, dropped: 0 }, 2 * 5001]);
});

test("sends queued spans when it is closed", async () => {
  const { socket, text } = collector();
  const exporter = new SpanExporter({ connect: async () => socket, encode });
  exporter.add(span("last"));
  await exporter.close();
  exporter.add(span("too late"));
  expect([text(), exporter.counts]).toEqual(["last\n", { sent: 1, dropped: 1 }]);
});

test("reconnects to a collector that was gone", async () => {
  const [first, second] = [collector(), collector()];
  const next = [first.socket, second.socket];
  const exporter = new SpanExporter({
    connect: async () => next.shift() ?? Promise.reject(new Error("no more")),
    encode,
    firstRetryMs: 5,
  });
  exporter.add(span("one"));
  await expect.poll(() => exporter.counts.sent).toBe(1);
  first.socket.destroy();
  await sleep(5);
  exporter.add(span("two"));
  await expect.poll(second.text).toBe("two\n");
  await exporter.close();
});
