import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { htmlReport } from "../../host/conformance/report/html.ts";
import { HOSTILE, sampleRun } from "../../host/conformance/report/testing/sample-run.ts";
import { openPage, whyNoBrowser } from "../testing/browser.ts";

const title = "the report of guestctl conformance in a browser";

describe.skipIf(whyNoBrowser)(whyNoBrowser === undefined ? title : `${title} (skipped: ${whyNoBrowser})`, () => {
  it("filters cases by state, level and text, shows calls, and runs nothing that an agent sent", async () => {
    const folder = mkdtempSync(join(tmpdir(), "guestd-report-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "report.html");
    writeFileSync(file, htmlReport(sampleRun()));
    await using page = await openPage(pathToFileURL(file).href);
    const shown = () => page.evaluate<string>("document.getElementById('shown').textContent");
    const click = (name: string, value: string) =>
      page.evaluate(`document.querySelector('input[name="${name}"][value="${value}"]').click()`);

    expect(await shown()).toBe("8 of 9 cases");
    await click("state", "disabled");
    expect(await shown()).toBe("9 of 9 cases");
    await click("state", "failed");
    await click("level", "may");
    expect(await shown()).toBe("5 of 9 cases");
    await page.evaluate(
      "{ const text = document.getElementById('text'); text.value = 'WAITprocess'; text.dispatchEvent(new Event('input')) }",
    );
    expect(await shown()).toBe("0 of 9 cases");
    await click("state", "failed");
    const visible = "[...document.querySelectorAll('.case')].filter((one) => one.checkVisibility())";
    const names = await page.evaluate(`${visible}.map((one) => one.querySelector('.name').textContent)`);
    expect(names).toEqual(["WaitProcess: returns the exit code 42"]);

    await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))");
    const text = await page.evaluate<string>(`${visible}[0].innerText`);
    expect(text).toContain('"status": 42');
    expect(text).toContain("connection 2, at 4.0 ms, open at the end");
    expect(text).toContain(HOSTILE.slice(0, 10));
    expect(await page.evaluate("document.images.length")).toBe(0);
    expect(page.problems).toEqual([]);
  });
});
