import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { siteProblems } from "./site-links.ts";

it("the check of a built site reports dead links, missing anchors and files from elsewhere", () => {
  const site = mkdtempSync(join(tmpdir(), "guestd-site-"));
  onTestFinished(() => rmSync(site, { recursive: true }));
  mkdirSync(join(site, "pages"));
  const links = ["b.html#here", "b.html#gone", "none.html", "../index.html", "../../out.html", "https://example.org/"];
  const anchors = links.map((url) => `<a class="x" href="${url}">x</a>`).join("");
  const fonts = '<link rel="stylesheet" href="https://example.org/font.css"><img src="data:image/png;base64,x">';
  writeFileSync(join(site, "pages/a.html"), anchors + fonts);
  writeFileSync(join(site, "pages/b.html"), '<h2 id="here">x</h2><a href="#here">y</a>');
  writeFileSync(join(site, "index.html"), '<a href="pages">x</a>');
  expect(siteProblems(site).toSorted()).toEqual([
    "index.html links to pages",
    "pages/a.html links to ../../out.html",
    "pages/a.html links to b.html#gone",
    "pages/a.html links to none.html",
    "pages/a.html loads https://example.org/font.css",
  ]);
});
