import { expect, it } from "vitest";
import { terminalSvg } from "./terminal-svg.ts";

it("a recording shows its lines in order, wrapped and escaped", () => {
  const long = "x".repeat(101);
  const svg = terminalSvg(
    [
      { at: 0, text: "$ ls <a> & b", kind: "command" },
      { at: 1.234, text: long, kind: "output" },
    ],
    "two lines",
  );
  const texts = Array.from(
    svg.matchAll(/<text class="(\w+)" x="18" y="(\d+)" style="animation-delay:([\d.]+)s">(.*?)</g),
  );
  expect(texts.map(([, ...parts]) => parts)).toEqual([
    ["command", "32", "0.00", "$ ls &lt;a&gt; &amp; b"],
    ["output", "52", "1.23", "x".repeat(100)],
    ["output", "72", "1.23", "x"],
  ]);
  expect(svg).toContain('height="96"');
});

it("a recording of more lines than the terminal has scrolls with each of them", () => {
  const lines = [0, 1, 2, 4].map((at) => ({ at, text: `${at}`, kind: "output" as const }));
  const svg = terminalSvg(lines, "four lines", { height: 2 });
  expect(svg).toContain('height="76"');
  expect(svg).toContain(".rows { animation: scroll 4.00s step-end forwards }");
  expect(svg).toContain("{ 50.000% { transform: translateY(-20px) } 100.000% { transform: translateY(-40px) } }");
  expect(terminalSvg(lines, "four lines")).not.toContain("scroll");
});
