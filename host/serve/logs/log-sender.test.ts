import { expect, test, vi } from "vitest";
import { LOG_WINDOW, type LogPart } from "../protocol/logs.ts";
import type { ChannelMessage } from "../protocol/socket.ts";
import { LogSender, lastParts } from "./log-sender.ts";

function sender(options: { readonly tail?: number; readonly search?: string } = {}) {
  const messages: ChannelMessage[] = [];
  const port = {
    ...{ send: (message: ChannelMessage) => void messages.push(message), sendBytes: () => undefined },
    ...{ end: () => undefined, isFull: false, drained: () => Promise.resolve() },
  };
  const log = new LogSender(port, { tail: options.tail ?? 100, search: options.search });
  return { messages, log };
}

const part = (container: string, time: number | undefined, ...lines: string[]) =>
  ({ container, stream: "stdout", time, lines }) as const;

function linesOf(messages: readonly ChannelMessage[]): string[] {
  const parts = messages.flatMap((message) => ("log" in message ? message.log : []));
  return parts.flatMap((each) => ("lines" in each ? each.lines : [JSON.stringify(each)]));
}

test("the past is sorted by time over all sources, and cut to its last lines", () => {
  const { messages, log } = sender({ tail: 3 });
  void log.lines(part("a", 1, "a1", "a1b"));
  void log.lines(part("a", 3, "a3"));
  void log.lines(part("b", 2, "b2"));
  log.endPast();
  expect(linesOf(messages)).toEqual(["a1b", "b2", "a3"]);
  expect(messages.at(-1)).toEqual({ isLive: true });
});

test("parts without a time stay behind those of their source", () => {
  const gap = { container: "a", gap: { from: 1, to: 2, reason: "gone" } };
  const parts: LogPart[] = [part("a", 5, "a5"), gap, part("a", undefined, "a?"), part("b", 1, "b1")];
  expect(lastParts(parts, 10)).toEqual([parts[3], parts[0], gap, parts[2]]);
});

test("only lines with the text are sent, in any case", () => {
  const { messages, log } = sender({ search: "ERROR" });
  void log.lines(part("a", 1, "an Error", "fine"));
  log.endPast();
  expect(linesOf(messages)).toEqual(["an Error"]);
});

test("a source waits while the page is slow, and one that can't is counted", async () => {
  vi.useFakeTimers();
  const { messages, log } = sender();
  log.endPast();
  let isWaiting = true;
  const waited = log.lines(part("a", 1, ...Array(LOG_WINDOW).fill("x"))).then(() => {
    isWaiting = false;
  });
  log.linesOrDrop(part("agent", 1, "dropped", "too"));
  await vi.advanceTimersByTimeAsync(1000);
  expect(isWaiting).toBe(true);
  log.shown(LOG_WINDOW);
  await waited;
  log.linesOrDrop(part("agent", 1, "next"));
  await vi.advanceTimersByTimeAsync(100);
  expect(linesOf(messages).slice(LOG_WINDOW)).toEqual(['{"dropped":{"lines":2,"bytes":12}}', "next"]);
  log.close();
  vi.useRealTimers();
});

test("a past without end is cut to its last characters, gaps included", () => {
  const { messages, log } = sender({ tail: 10_000 });
  const reason = "r".repeat(1000);
  for (let at = 0; at < 1000; at++) {
    void log.lines(part("a", at, "x".repeat(16_000)));
    log.gap({ container: "a", gap: { from: at, to: at + 1, reason } });
  }
  void log.lines(part("a", 1000, "last"));
  log.endPast();
  const sent = linesOf(messages);
  expect(sent.at(-1)).toBe("last");
  expect(sent.join("").length).toBeLessThan(5 << 20);
  expect(sent.join("").length).toBeGreaterThan(3 << 20);
});

test("gaps of the past without end are cut like lines", () => {
  const { messages, log } = sender();
  for (let at = 0; at < 50_000; at++) log.gap({ container: "a", gap: { from: at, to: at + 1, reason: "" } });
  log.endPast();
  expect(linesOf(messages)).toHaveLength(20_000);
});
