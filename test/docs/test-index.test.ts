import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { evidence } from "./evidence.ts";
import { page, repository } from "./pages.ts";
import { testIndex } from "./test-index.ts";

it("the index of tests has every page's promises and this test", () => {
  const index = testIndex();
  for (const place of evidence.keys()) expect(index).toContain(`](../${place})`);
  expect(index).toContain("\n  the index of tests has every page's promises and this test\n");
});

it.each([...evidence])("evidence.yaml names only existing tests for %s", (_place, promises) => {
  const { scripts } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
  for (const [promise, tests] of promises) {
    expect(tests, promise).not.toEqual([]);
    for (const test of tests) {
      const script = /^npm run ([\w:-]+)$/.exec(test)?.[1];
      if (script !== undefined) expect(Object.keys(scripts)).toContain(script);
      else expect(existsSync(join(repository, test)), `${promise}: ${test}`).toBe(true);
    }
  }
});

it("evidence.yaml has only pages that exist", () => {
  for (const place of evidence.keys()) expect(() => page(place.split("#")[0] ?? "")).not.toThrow();
});
