import { expect, test } from "vitest";
import { CopyLine } from "./copy-line.ts";

function terminal(isTTY: boolean) {
  const written: string[] = [];
  const output = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 };
  return { written, output: output as unknown as NodeJS.WriteStream };
}

test("shows a bar if the size is known", () => {
  const { written, output } = terminal(true);
  using line = new CopyLine("disk.img", output);
  line.show(3 << 20, 0, 12 << 20);
  expect(written.join("")).toMatch(
    /disk\.img {2}\[######------------------\] 25 % {2}3\.00 MiB of 12\.0 MiB {2}[\d.]+ [MG]iB\/s/,
  );
});

test("shows bytes and files otherwise, and the reason while it is cut off", () => {
  const { written, output } = terminal(true);
  using line = new CopyLine("site", output);
  line.show(500, 2);
  line.show(600, 3); // too soon
  line.wait("the connection ended");
  expect(written.join("")).toMatch(/site {2}500 B {2}2 files {2}.*site {2}connecting again: the connection ended/s);
  expect(written.join("")).not.toContain("600 B");
});

test("prints nothing without a terminal", () => {
  const { written, output } = terminal(false);
  using line = new CopyLine("site", output);
  line.wait("the connection ended");
  expect(written).toEqual([]);
});
