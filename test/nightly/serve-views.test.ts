import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonReport } from "../../host/conformance/report/json.ts";
import { sampleRun } from "../../host/conformance/report/testing/sample-run.ts";
import { buildPage, PAGE_FOLDER } from "../../host/page/build.ts";
import { whyNoBrowser } from "../testing/browser.ts";
import { launchBrowser, watchedPage } from "../testing/launch-browser.ts";
import { PageTerminal } from "./testing/page-terminal.ts";
import { ServedGuest } from "./testing/served-guest.ts";

const title = "every view of guestctl serve with guests";
describe.skipIf(whyNoBrowser)(whyNoBrowser === undefined ? title : `${title} (skipped: ${whyNoBrowser})`, () => {
  let guest: ServedGuest;
  let browser: Browser;
  let page: Page;
  let problems: readonly string[];
  let origin: string;
  beforeAll(async () => {
    await buildPage(PAGE_FOLDER);
    guest = await ServedGuest.start();
    await guest.run("template", "create", "box", "--image", guest.image);
    await guest.boot("kept", "--agent", "trace=true");
    const script = "echo printed; echo needle >&2; busybox httpd -p 8080 -h /etc; while :; do date; sleep 1; done";
    await guest.run("run", "-d", "-g", "kept", "--name", "web", guest.image, "sh", "-c", script);
    const reports = join(guest.directory, "reports");
    mkdirSync(reports);
    writeFileSync(join(reports, "sample.json"), jsonReport(sampleRun()));
    const link = await guest.serve("--allow-exec", "--listen", "127.0.0.1:0", "--reports", reports);
    ({ origin } = new URL(link));
    browser = await launchBrowser();
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    context.setDefaultTimeout(120_000);
    ({ page, problems } = await watchedPage(context));
    await page.goto(link);
  });
  afterAll(async () => {
    await browser?.close();
    await guest?.[Symbol.asyncDispose]();
  });

  const row = (name: RegExp) => page.getByRole("row", { name }).first();
  const show = async (fragment: string) => {
    await page.goto(`${origin}/#/${fragment}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
  };

  it("shows usage of guest, container and process in the overview", async () => {
    await row(/ web .*running [\d.]+ [\d.]+[KM]/).waitFor();
    await row(/ kept live [\d.]+ [\d.]+[MG]/).waitFor();
    await row(/pid \d+ sh -c/).waitFor();
    await page.getByRole("button", { name: "fold kept" }).click();
    await page.getByRole("link", { name: "web" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "unfold kept" }).click();
    await page.getByRole("link", { name: "web" }).waitFor();
  });

  it("charts a container's usage, and lists its launch plan with the fields of the spec", async () => {
    await show("guests/kept/containers/web/usage");
    await page.getByRole("img", { name: /^Memory over the last 5 minutes/ }).waitFor();
    await page.getByRole("row", { name: /^used( [\d.]+[KM]){4}$/ }).waitFor();
    await page.getByRole("button", { name: "1 min" }).click();
    await page.getByRole("img", { name: /^Memory over the last 1 minutes/ }).waitFor();
    await show("guests/kept/containers/web/plan");
    await row(/^\d+ execve .*process\.args/).waitFor();
    await row(/root\.path/).waitFor();
  });

  it("follows and searches logs", async () => {
    await show("guests/kept/containers/web/logs");
    const lines = page.getByRole("log");
    // Only the lines in sight are in the document.
    const first = (text: string) =>
      expect.poll(() => lines.press("Home").then(() => lines.getByText(text).count())).toBe(1);
    const last = () =>
      lines
        .getByText(/UTC \d{4}$/)
        .last()
        .textContent();
    await page.getByText("Following.").waitFor();
    const before = await last();
    await expect.poll(last).not.toBe(before);
    await first("printed");
    await page.getByLabel("Search").fill("NEEDLE");
    await lines.getByText("printed").waitFor({ state: "detached" });
    await lines.getByText("needle").waitFor();
    await show("guests/kept/logs");
    await page.getByText("Following.").waitFor();
    await first("printed");
    await page.getByLabel("Of").selectOption("the agent");
    await page
      .getByRole("log")
      .getByText(/guestd|agent/)
      .first()
      .waitFor();
  });

  it("lists files, downloads one, and uploads another, byte for byte", async () => {
    await show("guests/kept/containers/web/files");
    await page.getByRole("button", { name: "tmp/" }).click();
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    await page.getByLabel("Upload").setInputFiles({ name: "up.bin", mimeType: "text/plain", buffer: content });
    await page.getByText("uploaded up.bin, 293K bytes, to /tmp").waitFor();
    await row(/^up\.bin/).waitFor();
    const downloading = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download up.bin" }).click();
    const path = await (await downloading).path();
    expect(readFileSync(path).equals(content)).toBe(true);
    await guest.run("exec", "web", "rm", "/tmp/up.bin");
    await page.getByRole("button", { name: "Read again" }).click();
    await row(/^up\.bin/).waitFor({ state: "detached" });
  });

  it("shows the boot beside others, memory by kind, calls, ports with their state, and events", async () => {
    await show("guests/kept/boot");
    await row(/^kept .*tcg.* [\d.]+ m?s/).waitFor();
    await show("guests/kept/memory");
    await row(/^containers [\d.]+M [\d.]+ %/).waitFor();
    await row(/^all [\d.]+[MG] 100 %/).waitFor();
    await show("guests/kept/calls");
    await page.getByText(/spans/).waitFor();
    await guest.run("exec", "web", "true");
    await row(/ExecProcess|Attach|exec/).waitFor();
    await show("guests/kept/ports");
    await page.getByLabel("In").selectOption("web");
    await row(/^tcp6? \S+ 8080$/).waitFor();
    await show("guests/kept/events");
    await row(/container-started web/).waitFor();
  });

  it("kills the agent after a question, and nothing else notices", async () => {
    await show("guests/kept/containers/web/terminal");
    const terminal = new PageTerminal(page);
    await terminal.open("sh");
    await terminal.ends(/\/ #$/);
    const open = page.url();
    await terminal.type("echo before\n");
    await terminal.ends(/^before\n\/ #$/m);
    await show("guests/kept/events");
    await page.getByRole("button", { name: "Kill the agent" }).click();
    await page.getByRole("dialog", { name: "Kill the agent of kept?" }).getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Kill the agent" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Kill the agent" }).click();
    await row(/agent-restarted/).waitFor();
    await page.goto(open);
    await terminal.isAttached();
    await terminal.type("echo after\n");
    await terminal.ends(/^before\n[\s\S]*^after\n\/ #$/m);
    await terminal.type("exit\n");
  });

  it("starts a template's guest, forks it, and stops both", async () => {
    await show("templates");
    await row(/^box .*MiB/).waitFor();
    await page.getByRole("button", { name: "Start box" }).click();
    const started = (await page.getByText(/^started [\w-]+ from template box$/).textContent()) ?? "";
    const clone = started.split(" ")[1] ?? "";
    guest.adopt(clone);
    await page.getByRole("listitem").getByRole("link", { name: clone }).click();
    await page.getByRole("button", { name: "Fork" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Fork" }).click();
    await page.getByText(`started ${clone}-1`).waitFor();
    guest.adopt(`${clone}-1`);
    for (const name of [clone, `${clone}-1`]) {
      await show(`guests/${name}/usage`);
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
      await page.getByText(`powered off ${name}`).waitFor();
      await page.getByRole("link", { name, exact: true }).waitFor({ state: "detached" });
    }
  });

  it("shows conformance reports with their cases", async () => {
    await show("reports");
    await page.getByRole("link", { name: "sample.json" }).click();
    await page.getByLabel("State").selectOption({ label: "failed (3)" });
    await page.getByText(/^3 of \d+ cases$/).waitFor();
  });

  it("kills the container after a question, and shows its end", async () => {
    await show("guests/kept/containers/web/events");
    await page.getByRole("button", { name: "Kill", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Kill" }).click();
    await row(/container-exited web/).waitFor();
    expect(problems).toEqual([]);
  });

  it("disables what changes anything without --allow-exec, and says why", async () => {
    await guest.stopServing();
    await guest.serve("--listen", new URL(origin).host);
    await page.reload();
    await show("guests/kept/usage");
    await page
      .getByText(/read-only/)
      .first()
      .waitFor();
    for (const name of ["Kill the agent", "Pause", "Resume", "Fork", "Stop"]) {
      const button = page.getByRole("button", { name, exact: true });
      expect([name, await button.isDisabled(), await button.getAttribute("title")]).toEqual([
        ...[name, true],
        "read-only: start guestctl serve with --allow-exec",
      ]);
    }
  });
});
