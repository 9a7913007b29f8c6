import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SAMPLE_VIEWS } from "../../host/page/testing/sample-views.ts";
import { ScriptedServer } from "../../host/page/testing/scripted-server.ts";
import { launchBrowser } from "../../test/testing/launch-browser.ts";

const LOOKS = [
  { name: "", width: 1440, height: 860, colorScheme: "light" },
  { name: "-dark", width: 1440, height: 860, colorScheme: "dark" },
  { name: "-narrow", width: 400, height: 800, colorScheme: "light" },
] as const;
/** Small pictures for docs/serve.md, of numbers that stand still. */
const DOCUMENTED = [
  { name: "overview", height: 420 },
  { name: "guest-boot", height: 330 },
] as const;
/** Samples that charts show. */
const CHART_MS = 12_000;

/** Writes a picture of each view of the page to build/pictures, or to the folder that is given; guests are made up. */
async function main(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await using server = await ScriptedServer.start({ intervalMs: 500 });
  const browser = await launchBrowser();
  try {
    for (const { name: look, width, height, colorScheme } of LOOKS) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme });
      await page.goto(server.url);
      await page.waitForTimeout(CHART_MS);
      for (const { name, fragment } of SAMPLE_VIEWS) {
        await page.goto(`${server.url}${fragment}`);
        await page.locator("h1").waitFor();
        await page.getByText(/^Loading/).waitFor({ state: "hidden" });
        // A chart or terminal draws in the next frames.
        await page.waitForTimeout(300);
        await page.screenshot({ path: join(folder, `${name}${look}.png`) });
      }
      await page.close();
    }
  } finally {
    await browser.close();
  }
  console.log(folder);
}

/** Writes the pictures of the documents. */
async function document(): Promise<void> {
  await using server = await ScriptedServer.start();
  const browser = await launchBrowser();
  try {
    for (const { name, height } of DOCUMENTED) {
      const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: "light" });
      const fragment = SAMPLE_VIEWS.find((view) => view.name === name)?.fragment ?? "";
      await page.goto(`${server.url}${fragment}`);
      await page.locator("table").first().waitFor();
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(import.meta.dirname, `page-${name}.png`) });
    }
  } finally {
    await browser.close();
  }
}

if (process.argv[2] === "--documents") await document();
else await main(process.argv[2] ?? join(import.meta.dirname, "../../build/pictures"));
