import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it, onTestFinished } from "vitest";
import { buildPage } from "./build.ts";

/** Most bytes of compressed script, of issue 19. */
const MAX_SCRIPT = 250_000;

it("builds one page with one script and one style sheet, none of them inline, within 250 kB of compressed script", async () => {
  const folder = mkdtempSync(join(tmpdir(), "guestd-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await buildPage(folder);
  await buildPage(folder);
  const names = readdirSync(folder).toSorted((a, b) => extname(a).localeCompare(extname(b)));
  expect(names).toEqual([
    expect.stringMatching(/^page-[A-Z0-9]{8}\.css$/),
    "index.html",
    expect.stringMatching(/^page-[A-Z0-9]{8}\.js$/),
  ]);
  const [style = "", html = "", script = ""] = names.map((name) => readFileSync(join(folder, name), "utf8"));
  expect(html).toContain(`src="/${names[2]}"`);
  expect(html).toContain(`href="/${names[0]}"`);
  expect(html).not.toMatch(/<style|<script[^>]*>[^<]| style=| on\w+=/);
  expect(`${style}${html}`).not.toMatch(/https?:/);
  expect(script).not.toMatch(/\beval\(|new Function\(/);
  expect(gzipSync(script).length).toBeLessThan(MAX_SCRIPT);
});
