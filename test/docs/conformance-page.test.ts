import { expect, it } from "vitest";
import type { CaseGroup } from "../../host/conformance/case.ts";
import { GROUPS } from "../../host/conformance/groups.ts";
import { FAULTS } from "../conformance/faults/all-faults.ts";
import { readFaultTable } from "../conformance/faults/fault-table.ts";
import { page } from "./pages.ts";

const text = page("docs/conformance.md");
const table = readFaultTable(text);

it("the page's sample counts all cases, and the README too", () => {
  const groups = /--groups (\S+) /.exec(text)?.[1]?.split(",") ?? [];
  const count = (wanted: readonly CaseGroup[]) => wanted.reduce((sum, { cases }) => sum + cases.length, 0);
  const [all, passed] = [count(GROUPS), count(GROUPS.filter(({ name }) => groups.includes(name)))];
  expect(text).toContain(
    `conformant: ${passed} passed, 0 failed, 0 skipped, 0 unsupported, ${all - passed} disabled; MUST `,
  );
  expect(page("README.md")).toContain(`| ${all} cases, `);
});

it("the table of faults names all faults in order: `npm run docs:faults` writes it", () => {
  expect([...table.keys()]).toEqual(FAULTS.map(({ name }) => name));
});

it("the table of faults names existing cases, which should catch their fault", () => {
  const cases = new Set(GROUPS.flatMap((group) => group.cases.map(({ name }) => name)));
  const wrong = FAULTS.flatMap(({ name, caughtBy }) => {
    const by = table.get(name);
    return by === undefined || (cases.has(by) && caughtBy.test(by)) ? [] : [`${name}: ${by}`];
  });
  expect(wrong).toEqual([]);
});

it("at least 95 % of the faults in the table are caught", () => {
  const caught = [...table.values()].filter((by) => by !== undefined);
  expect(caught.length).toBeGreaterThanOrEqual(0.95 * FAULTS.length);
});
