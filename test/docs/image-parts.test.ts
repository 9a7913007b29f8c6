import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../rootfs-builder/manifest/manifest.ts";
import { partTable } from "../../rootfs-builder/manifest/part-table.ts";
import { page, repository, section } from "./pages.ts";

const manifest: Manifest = JSON.parse(readFileSync(join(repository, "build/manifest.json"), "utf8"));

/** Returns the parts of the default image as rows of the page's table. `guestctl image inspect` prints their sizes. */
function rows(): readonly string[] {
  const sorted = [...partTable(manifest)].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ name, from, neededBy }) => {
    const sources = from.map((one) => one.replace(/^deb:/, "")).join(", ");
    return `| ${name} | ${sources || "—"} | ${neededBy} |`;
  });
}

describe("the default image", () => {
  it("contains nothing besides its parts", () => {
    expect(manifest.files.filter(({ part }) => part === "recipe")).toEqual([]);
    const homeless = manifest.files.filter(({ type, from }) => type === "file" && (from ?? "recipe") === "recipe");
    expect(homeless).toEqual([]);
  });

  it("contains no library that no program links to", () => {
    const libraries = manifest.files.filter(({ part, type }) => part === "libraries" && type === "file");
    expect(libraries.length).toBeGreaterThan(10);
    const loader = /\/ld-linux[^/]*$/;
    const unused = libraries.filter(({ path, linkedBy = [] }) => linkedBy.length === 0 && !loader.test(path));
    expect(unused.map(({ path }) => path)).toEqual([]);
  });

  it("has its parts listed in docs/images.md, each with what needs it", () => {
    const table = section(page("docs/images.md"), "What needs each part").split("\n");
    expect(table.filter((line) => line.startsWith("| "))).toEqual(["| part | from | needed by |", ...rows()]);
  });
});
