import { expect, it } from "vitest";
import { GROUPS } from "../../host/conformance/groups.ts";
import { FAULTS } from "../conformance/faults/all-faults.ts";
import { readFaultTable } from "../conformance/faults/fault-table.ts";
import { page } from "./pages.ts";

const table = readFaultTable(page("docs/conformance.md"));

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
