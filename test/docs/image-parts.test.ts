import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../rootfs-builder/manifest/manifest.ts";
import { partTable } from "../../rootfs-builder/manifest/part-table.ts";
import { page, repository, section } from "./pages.ts";

const manifest: Manifest = JSON.parse(readFileSync(join(repository, "build/manifest.json"), "utf8"));

/** Parts of the default image in the words of the page; sizes are told by `guestctl image inspect`. */
function rows(): readonly string[] {
  const sorted = [...partTable(manifest)].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ name, from, neededBy }) => {
    const sources = from.map((one) => one.replace(/^deb:/, "")).join(", ");
    return `| ${name} | ${sources || "—"} | ${neededBy} |`;
  });
}

describe("the default image", () => {
  it("holds nothing that no part is", () => {
    expect(manifest.files.filter(({ part }) => part === "recipe")).toEqual([]);
    const homeless = manifest.files.filter(({ type, from }) => type === "file" && (from ?? "recipe") === "recipe");
    expect(homeless).toEqual([]);
  });

  it("holds no library that nothing is linked with", () => {
    const libraries = manifest.files.filter(({ part, type }) => part === "libraries" && type === "file");
    expect(libraries.length).toBeGreaterThan(10);
    const loader = /\/ld-linux[^/]*$/;
    const unused = libraries.filter(({ path, linkedBy = [] }) => linkedBy.length === 0 && !loader.test(path));
    expect(unused.map(({ path }) => path)).toEqual([]);
  });

  it("has its parts in docs/images.md, each with what needs it", () => {
    const table = section(page("docs/images.md"), "What needs each part").split("\n");
    expect(table.filter((line) => line.startsWith("| "))).toEqual(["| part | from | needed by |", ...rows()]);
  });
});
