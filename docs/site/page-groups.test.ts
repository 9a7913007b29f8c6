import { expect, it } from "vitest";
import { readPageGroups } from "./page-groups.ts";

it("a page belongs to the first section of the map that lists it", () => {
  const map = ["# Map", "[a](a.md)", "## One", "| [a](a.md), [b](b.md) | text |", "## Two", "| [c](../c.md) | text |"];
  map.push("| [a](a.md) | again |", "| [b: part](b.md#part) | a section |");
  const { titles, ofPage } = readPageGroups(map.join("\n"));
  expect(titles).toEqual(["One", "Two"]);
  expect(Object.fromEntries(ofPage)).toEqual({ "docs/a.md": "One", "docs/b.md": "One", "c.md": "Two" });
});
