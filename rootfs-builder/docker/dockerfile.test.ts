import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sha256Of } from "../digest.ts";
import { imagePackages } from "../image/contents.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { globPattern, readDockerfile } from "./testing/read-dockerfile.ts";

const root = join(import.meta.dirname, "../..");
const dockerfile = readDockerfile(readFileSync(join(root, "Dockerfile.guest"), "utf8"));
/** Files of the default image, which `npm run build` creates. */
const { files }: Manifest = JSON.parse(readFileSync(join(root, "build/manifest.json"), "utf8"));

/** Paths that the Dockerfile creates in addition to those copied from packages. */
const own = new Set([...dockerfile.links.keys(), ...dockerfile.texts.keys(), ...dockerfile.copied.keys()]);
const globs = dockerfile.globs.map(globPattern);
const removed = dockerfile.removed.map(globPattern);

describe("Dockerfile.guest makes the same image as the builder", () => {
  test("from the same packages", () => {
    const packages = dockerfile.packages.filter((name) => name !== "binutils");
    expect(packages.toSorted()).toEqual(imagePackages({ debug: false, runtimes: [] }).toSorted());
  });

  test("with the same files from packages, and no unused pattern", () => {
    const wanted = files.filter(({ type, path }) => type !== "directory" && !own.has(path)).map(({ path }) => path);
    expect(wanted.filter((path) => !globs.some((glob) => glob.test(path)))).toEqual([]);
    expect(wanted.filter((path) => removed.some((glob) => glob.test(path)))).toEqual([]);
    expect(dockerfile.globs.filter((_glob, at) => !wanted.some((path) => globs[at]?.test(path)))).toEqual([]);
  });

  test("with the same files of our own, and no others", () => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    expect([...own].filter((path) => !byPath.has(path))).toEqual([]);
    for (const [path, target] of dockerfile.links) expect(byPath.get(path), path).toMatchObject({ target });
    for (const [path, text] of dockerfile.texts) {
      expect(byPath.get(path), path).toMatchObject({ mode: "0644", sha256: sha256Of(Buffer.from(text)) });
    }
    for (const [path, { source, mode }] of dockerfile.copied) {
      expect(byPath.get(path), path).toMatchObject({ mode: `0${mode}` });
      if (dockerfile.stripped.includes(path)) continue;
      expect(byPath.get(path)?.sha256, path).toBe(sha256Of(readFileSync(join(root, source))));
    }
  });

  test("with the same directories", () => {
    const below = [
      ...files.filter(({ type }) => type !== "directory").map(({ path }) => path),
      ...dockerfile.directories,
    ];
    const made = new Set(below.flatMap((path) => parents(path)).concat(dockerfile.directories));
    const folders = files.filter(({ type }) => type === "directory");
    expect(folders.map(({ path }) => path).filter((path) => !made.has(path))).toEqual([]);
    expect(dockerfile.directories.filter((path) => !folders.some((one) => one.path === path))).toEqual([]);
    const odd = folders.filter(({ mode }) => mode !== "0755").map(({ path, mode }) => [path, mode]);
    expect(odd).toEqual([...dockerfile.modes].toSorted());
  });
});

describe("readDockerfile", () => {
  test.each(["RUN curl x | sh", "ADD x y", "COPY a b", "RUN ln -s a", "WORKDIR /other"])("refuses %s", (line) => {
    expect(() => readDockerfile(line)).toThrow(/not a form that is read here/);
  });
});

function parents(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_part, at) => parts.slice(0, at + 1).join("/"));
}
