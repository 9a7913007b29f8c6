import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "@jridgewell/sourcemap-codec";
import { build } from "esbuild";
import { expect, onTestFinished, test } from "vitest";
import { ownSourceMap } from "./own-source-map.ts";

const PROGRAM = `const fail = (text: string): never => {
  const unused = text.length;
  throw new Error(text + unused);
};
export function begin(): void {
  console.log("begun"); fail("here");
}
begin();
`;

test("a stack trace names the line of each call", async () => {
  const directory = mkdtempSync(join(tmpdir(), "source-map-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "program.ts"), PROGRAM);
  const { outputFiles } = await build({
    ...{ entryPoints: [join(directory, "program.ts")], outdir: directory, write: false, bundle: true, minify: true },
    ...{ platform: "node", format: "cjs", sourcemap: "linked", sourcesContent: false, logLevel: "silent" },
  });
  const lengths = outputFiles.map(({ path, text }) => {
    const content = path.endsWith(".map") ? (ownSourceMap(text) ?? "") : text;
    writeFileSync(path, content);
    return [text.length, content.length];
  });
  const program = join(directory, "program.js");
  const { stderr } = spawnSync(process.execPath, ["--enable-source-maps", program], { encoding: "utf8" });
  const places = Array.from(stderr.matchAll(/at .*program\.ts:(\d+):/g), ([, line]) => Number(line));
  expect(places).toEqual([3, 6, 8]);
  expect(lengths.some(([before = 0, after = 0]) => after < before)).toBe(true);
});

test("a map has no packages, and one segment for a line", () => {
  const sources = ["../host/own.ts", "../node_modules/other/index.js", "../proto/gen/messages.js"];
  // Column, source, line and column of the source.
  const mappings = "AAAA,EAAE,GCAF,GCAA,GFCA,GAAG";
  const map = JSON.parse(ownSourceMap(JSON.stringify({ version: 3, sources, names: ["a"], mappings })) ?? "");
  expect(map).toMatchObject({ sources: ["../host/own.ts"], names: [] });
  expect(decode(map.mappings)).toEqual([[[0, 0, 0, 0], [5], [11, 0, 1, expect.any(Number)]]]);
});

test("packages and generated code alone have no map", () => {
  const sources = ["../node_modules/other/index.js", "../proto/gen/messages.js"];
  expect(ownSourceMap(JSON.stringify({ version: 3, sources, names: [], mappings: "AAAA,EAAEA" }))).toBeUndefined();
});
