import { expect, test } from "vitest";
import { withFigures } from "./figures-page.ts";
import { filterText } from "./guest-programs.ts";

const FIGURES = {
  where: "Measured here.",
  rows: [["calls", "a|b", "2 different, $& in all"]],
  calls: new Map([["QEMU", "futex 12, read 3"]]),
};

test("replaces the earlier figures of the page and keeps the text around them", () => {
  const first = withFigures("before\n<!-- bench:security -->\nold\n<!-- end -->\nafter\n", FIGURES);
  expect(first).toMatch(/^before\n<!-- bench:security -->\nMeasured here\.\n\n\| axis .*<!-- end -->\nafter\n$/s);
  expect(first).toContain("| calls | a\\|b | 2 different, $& in all |\n");
  expect(first).toContain("```text\nQEMU: futex 12, read 3\n```\n");
  expect(withFigures(first, FIGURES)).toBe(first);
  expect(() => withFigures("before\n", FIGURES)).toThrow("the page has no <!-- bench:security -->");
});

test("says of a process without a filter that it has none", () => {
  expect(filterText("NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n")).toBe(
    "no filter: every system call is allowed",
  );
  expect(filterText("Seccomp:\t2\nSeccomp_filters:\t1\n")).toBe("filtered (Seccomp 2, filters 1)");
});
