import { createHash } from "node:crypto";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPage, PAGE_FOLDER } from "../../host/page/build.ts";
import { whyNoBrowser } from "../testing/browser.ts";
import { launchBrowser, watchedPage } from "../testing/launch-browser.ts";
import { PageTerminal } from "./testing/page-terminal.ts";
import { ServedGuest } from "./testing/served-guest.ts";

const BOX = "#/guests/kept/containers/box";
const PASTED = 1 << 20;

const title = "a terminal of guestctl serve in a guest";
describe.skipIf(whyNoBrowser)(whyNoBrowser === undefined ? title : `${title} (skipped: ${whyNoBrowser})`, () => {
  let guest: ServedGuest;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let problems: readonly string[];
  let terminal: PageTerminal;
  let origin: string;
  beforeAll(async () => {
    await buildPage(PAGE_FOLDER);
    guest = await ServedGuest.start();
    await guest.boot("kept");
    await guest.run("run", "-d", "-g", "kept", "--name", "box", guest.image, "sleep", "100000");
    const link = await guest.serve("--allow-exec", "--listen", "127.0.0.1:0");
    ({ origin } = new URL(link));
    browser = await launchBrowser();
    context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    context.setDefaultTimeout(120_000);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    ({ page, problems } = await watchedPage(context));
    await page.goto(link);
    await page.getByRole("link", { name: "box" }).click();
    terminal = new PageTerminal(page);
    await terminal.open("sh");
  });
  afterAll(async () => {
    await browser?.close();
    await guest?.[Symbol.asyncDispose]();
  });

  it("shows what is typed and printed, with its colours", async () => {
    await terminal.ends(/\/ #$/);
    await terminal.type("printf '\\033[38;2;10;120;30mtrue\\033[0m \\033[7mreverse\\033[0m %s\\n' $((6 * 7))\n");
    await terminal.ends(/\ntrue reverse 42\n\/ #$/);
    const spans = '[...document.querySelectorAll(".xterm-rows span")]';
    const isPrinted = '(span) => span.textContent === "true" && span.parentElement.textContent.startsWith("true")';
    const color = await page.evaluate(`getComputedStyle(${spans}.find(${isPrinted})).color`);
    expect(color).toBe("rgb(10, 120, 30)");
  });

  it("has the size of its place in the window", async () => {
    await terminal.type("clear; stty size\n");
    await terminal.ends(/^\d+ \d+\n\/ #$/);
    const [rows, cols = 0] = (await terminal.screen()).split(/\s/).map(Number);
    expect(rows).toBe(await terminal.rows());
    await page.setViewportSize({ width: 800, height: 600 });
    await expect.poll(() => terminal.rows()).toBeLessThan(rows ?? 0);
    await terminal.type("clear; stty size\n");
    await terminal.ends(/^\d+ \d+\n\/ #$/);
    const [fewer, narrower] = (await terminal.screen()).split(/\s/).map(Number);
    expect(fewer).toBe(await terminal.rows());
    expect(narrower).toBeLessThan(cols);
    await page.setViewportSize({ width: 1200, height: 800 });
  });

  it("edits a file in vi", async () => {
    await terminal.type("clear; vi /tmp/note\n");
    await terminal.ends(/^~\n[\s\S]*\/tmp\/note/m);
    await terminal.type("ifirst line\nsecond");
    // A letter soon after it would make it an Alt key.
    await page.keyboard.press("Escape");
    await terminal.ends(/^second\n[\s\S]*^- \/tmp\/note/m);
    await terminal.type("k0cwedited");
    await page.keyboard.press("Escape");
    await terminal.ends(/^edited line\n[\s\S]*^- \/tmp\/note/m);
    await terminal.type(":wq\n");
    await terminal.ends(/\/ #$/);
    expect(await guest.run("exec", "box", "cat", "/tmp/note")).toBe("edited line\nsecond\n");
  });

  it("takes a paste of 1 MiB, and every byte of it arrives once", async () => {
    const text = `${Array.from({ length: PASTED / 16 }, (_, index) => `${index}`.padStart(15, "p")).join("|")}|`;
    expect(text).toHaveLength(PASTED);
    await terminal.type(`clear; stty raw -echo; echo ready; head -c ${PASTED} > /tmp/pasted; stty sane; echo took\n`);
    await terminal.ends(/^ready/m);
    await terminal.paste(text);
    await terminal.ends(/^ *took\n\/ #$/m);
    const sum = createHash("sha256").update(text).digest("hex");
    expect(await guest.run("exec", "box", "sha256sum", "/tmp/pasted")).toBe(`${sum}  /tmp/pasted\n`);
  });

  it("shows all that a process wrote, although the page is reloaded and the agent killed meanwhile", async () => {
    const print = "i=1; while [ $i -le 3000 ]; do echo line $i; [ $((i % 50)) = 0 ] && sleep 0.1; i=$((i+1)); done";
    await terminal.type(`clear; printf '\\033[3J'; (${print}) | tee /tmp/written; echo done\n`);
    await terminal.ends(/^line \d+$/m);
    await page.reload();
    await terminal.ends(/^line \d+$/m);
    await guest.run("agent", "kill", "-g", "kept");
    await page.reload();
    await terminal.ends(/^done\n\/ #$/m);
    const shown = (await terminal.text()).split("\n").filter((line) => /^line \d+$/.test(line));
    const written = (await guest.run("exec", "box", "cat", "/tmp/written")).trimEnd().split("\n");
    expect(written).toHaveLength(3000);
    expect(shown).toEqual(written);
  });

  it("shows the same in a second tab, which types once it has taken over", async () => {
    const { page: second } = await watchedPage(context);
    await second.goto(page.url());
    const other = new PageTerminal(second);
    await second.getByText("Attached as an observer: only looking.").waitFor();
    await other.ends(/^done\n\/ #$/m);
    await other.type("echo ignored\n");
    await terminal.type("clear; echo first\n");
    await other.ends(/^first\n\/ #$/m);
    expect(await other.text()).not.toContain("ignored");
    await second.getByRole("button", { name: "Take over" }).click();
    await other.isAttached();
    await page.getByText("Attached as an observer: only looking.").waitFor();
    await other.type("echo second\n");
    await terminal.ends(/^second\n\/ #$/m);
    await second.close();
    await terminal.isAttached();
  });

  it("continues by itself when the server is started again, with one line about it", async () => {
    await guest.stopServing();
    await page.getByText("The server does not answer: connecting again …").waitFor();
    await terminal.type("echo third\n");
    await guest.serve("--allow-exec", "--listen", new URL(origin).host);
    await terminal.isAttached();
    await terminal.ends(/^first\n[\s\S]*^second\n[\s\S]*^third\n\/ #$/m);
    await terminal.type("exit 5\n");
    await page.getByText("The process has ended with exit code 5.").waitFor();
    await page.reload();
    await page.getByText("The process has ended with exit code 5.").waitFor();
    // A server that is away is no violation.
    expect(problems.filter((problem) => !/ERR_CONNECTION_|WebSocket connection/.test(problem))).toEqual([]);
    expect(page.url()).toContain(`${origin}/${BOX}/terminal/x-`);
  });
});
