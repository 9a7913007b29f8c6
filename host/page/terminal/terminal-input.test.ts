import { expect, it } from "vitest";
import { INPUT_FRAME, INPUT_WINDOW } from "../../serve/protocol/terminal.ts";
import { TerminalInput } from "./terminal-input.ts";

it("sends a megabyte in frames within the window, whole and in order", () => {
  const sent: Uint8Array[] = [];
  const input = new TerminalInput((bytes) => void sent.push(bytes));
  const text = Uint8Array.from({ length: 1 << 20 }, (_, index) => index % 251);
  input.add(text.subarray(0, 10));
  input.add(text.subarray(10));
  let taken = 0;
  while (input.waiting > 0 || input.inTransit > 0) {
    input.pump();
    expect(input.inTransit).toBeLessThanOrEqual(INPUT_WINDOW);
    taken += Math.min(1000, input.inTransit);
    input.taken(taken);
  }
  expect(Math.max(...sent.map(({ length }) => length))).toBeLessThanOrEqual(INPUT_FRAME);
  expect(Buffer.concat(sent).equals(text)).toBe(true);
});

it("keeps what wasn't sent for the next connection", () => {
  const sent: number[] = [];
  const input = new TerminalInput(({ length }) => void sent.push(length));
  input.add(new Uint8Array(INPUT_WINDOW + 5));
  input.pump();
  expect([input.inTransit, input.waiting]).toEqual([INPUT_WINDOW, 5]);
  input.restart();
  input.pump();
  expect([sent.at(-1), input.inTransit, input.waiting]).toEqual([5, 5, 0]);
});
