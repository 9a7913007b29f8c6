import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DisconnectLine } from "./disconnect-line.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function start(isTTY = true) {
  const written: string[] = [];
  const write = (text: unknown) => written.push(String(text)) > 0;
  return { written, line: new DisconnectLine({ isTTY, columns: 20, write }) };
}

test("shows one line below the cursor, cut to the terminal's width, and removes it", () => {
  const { written, line } = start();
  line.show("the connection ended; connecting again");
  line.show("refused");
  vi.advanceTimersByTime(10_000);
  line.show("refused");
  expect(written).toHaveLength(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
  expect(written[0]?.replace(/\u001b\[\d+m/g, "")).toBe(
    "\u001bD\u001b[A\u001b7\u001b[B\r\u001b[Kthe connection ende\u001b8",
  );
  expect(line.hide()).toBe(true);
  expect(written.slice(1)).toEqual(["\u001bD\u001b[A\u001b7\u001b[B\r\u001b[K\u001b8"]);
  expect(line.hide()).toBe(false);
});

test("shows nothing of a disconnection that ends soon, nor outside of a terminal", () => {
  const short = start();
  short.line.show("ended");
  vi.advanceTimersByTime(200);
  expect(short.line.hide()).toBe(false);
  const piped = start(false);
  piped.line.show("ended");
  vi.advanceTimersByTime(10_000);
  expect([short.written, piped.written]).toEqual([[], []]);
});
