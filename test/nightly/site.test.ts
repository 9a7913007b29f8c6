import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildSite } from "../../docs/site/build-site.ts";
import { siteProblems } from "../docs/site-links.ts";
import { type Look, openPage, whyNoBrowser } from "../testing/browser.ts";
import { SEEN_TEXTS, type SeenTexts } from "./testing/faint-texts.ts";
import { type ServedFolder, serveFolder } from "./testing/serve-folder.ts";

const LOOKS: readonly Look[] = [1280, 360].flatMap((width) =>
  (["light", "dark"] as const).map((colors) => ({ width, colors })),
);

/** Expression for a browser. Resolves when TypeDoc's script has shown the page. */
const SHOWN = `new Promise((done) => {
  const check = () => document.body.style.display !== "none" && done();
  new MutationObserver(check).observe(document.body, { attributeFilter: ["style"] });
  check();
})`;

let site = "";
let served: ServedFolder;
beforeAll(async () => {
  site = mkdtempSync(join(tmpdir(), "guestd-site-"));
  served = await serveFolder(site);
  await buildSite(site);
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  rmSync(site, { recursive: true, force: true });
});

it("every link of the documentation site leads somewhere, and nothing is loaded from elsewhere", () => {
  expect(globSync("documents/*.html", { cwd: site }).length).toBeGreaterThan(40);
  expect(globSync("classes/*.html", { cwd: site })).toContain("classes/index.Sandbox.html");
  expect(siteProblems(site)).toEqual([]);
});

const title = "the documentation site in a browser";

describe.skipIf(whyNoBrowser)(whyNoBrowser === undefined ? title : `${title} (skipped: ${whyNoBrowser})`, () => {
  it("has no page wider than the window, no faint text and no errors, wide and narrow, light and dark", async () => {
    const wrong: string[] = [];
    await using browser = await openPage("about:blank");
    for (const page of globSync("**/*.html", { cwd: site }).toSorted()) {
      await browser.open(served.url + page);
      await browser.evaluate(SHOWN);
      for (const look of LOOKS) {
        await browser.emulate(look);
        const width = await browser.evaluate<number>("document.documentElement.scrollWidth");
        const { seen, faint } = await browser.evaluate<SeenTexts>(SEEN_TEXTS);
        const where = `${page}, ${look.width} pixels, ${look.colors}`;
        if (width > look.width) wrong.push(`${where}: ${width} pixels wide`);
        if (seen === 0) wrong.push(`${where}: no text`);
        wrong.push(...faint.map((text) => `${where}: faint: ${text}`));
      }
    }
    expect(wrong).toEqual([]);
    expect(browser.problems).toEqual([]);
  });

  it("finds pages and exports by words", async () => {
    await using browser = await openPage("about:blank");
    const found = async (words: string) => {
      await browser.open(`${served.url}index.html`);
      return browser.evaluate<string[]>(`new Promise((done) => {
        const element = (name) => document.getElementById("tsd-search-" + name);
        let asked = false;
        const check = () => {
          const texts = [...element("results").querySelectorAll("a")].map((one) => one.textContent);
          if (texts.length > 0) done(texts);
          const isReady = element("status").textContent.trim() === "";
          if (asked || !isReady) return;
          asked = true;
          element("input").value = ${JSON.stringify(words)};
          element("input").dispatchEvent(new Event("input"));
        };
        new MutationObserver(check).observe(document.body, { childList: true, subtree: true });
        element("trigger").click();
        check();
      })`);
    };
    expect(await found("forwarding")).toEqual(expect.arrayContaining([expect.stringContaining("Forwarding")]));
    expect(await found("SandboxError")).toEqual(expect.arrayContaining([expect.stringContaining("SandboxError")]));
  });
});
