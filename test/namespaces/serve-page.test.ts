import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildPage, PAGE_FOLDER } from "../../host/page/build.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { whyNoBrowser } from "../testing/browser.ts";
import { launchBrowser, watchedPage } from "../testing/launch-browser.ts";
import { GUEST, ServedAgent } from "./testing/served-agent.ts";

const when = whyNoBrowser === undefined ? "" : `, skipped: ${whyNoBrowser}`;

describeInNamespaces("the page of guestctl serve in a browser", () => {
  let served: ServedAgent;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let problems: readonly string[];
  let link: string;
  let id: string;
  beforeAll(async () => {
    if (whyNoBrowser !== undefined) return;
    await buildPage(PAGE_FOLDER);
    [served, browser] = await Promise.all([ServedAgent.start({ config: "container_logs = 65536" }), launchBrowser()]);
    ({ link } = await served.serve(["--allow-exec"]));
    id = await served.pod.start(["sh", "-c", "echo printed; sleep 1000"]);
    context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    ({ page, problems } = await watchedPage(context));
  });
  afterAll(async () => {
    await browser?.close();
    await served?.[Symbol.asyncDispose]();
  });

  it.skipIf(whyNoBrowser !== undefined)(
    `opens with its link once, and shows guests and containers as they come and go${when}`,
    async () => {
      await page.goto(link);
      const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: id }) });
      await row.getByText("running").waitFor();
      expect(page.url()).toBe(`${new URL(link).origin}/#/`);
      const another = await served.pod.start(["sleep", "1000"]);
      await page.getByRole("link", { name: another }).waitFor();
      await served.pod.remove(another);
      await page.getByRole("link", { name: another }).waitFor({ state: "detached" });
      await page.keyboard.press("/");
      await page.keyboard.type("no such thing");
      await page.getByText("0 lines").waitFor();
      await page.getByLabel("Filter").fill("");
      const stranger = await browser.newPage();
      await stranger.goto(link);
      await stranger.getByRole("heading", { name: "No session" }).waitFor();
      await stranger.close();
    },
  );

  it.skipIf(whyNoBrowser !== undefined)(
    `gives a page at another port of its host the cookie, which reads and writes nothing there${when}`,
    async () => {
      const cookies: string[] = [];
      const hostile = createServer(({ headers }, response) => {
        cookies.push(headers.cookie ?? "");
        response.writeHead(200, { "content-type": "text/html" }).end("<title>hostile</title>");
      });
      await once(hostile.listen(0, "127.0.0.1"), "listening");
      const other = await context.newPage();
      try {
        const { hostname, origin, port } = new URL(link);
        await other.goto(`http://${hostname}:${(hostile.address() as AddressInfo).port}/`);
        const [cookie = ""] = cookies;
        expect(cookie).toContain(`guestd-${port}=`);
        expect(await other.evaluate("localStorage.length")).toBe(0);
        const base = `${origin}/api/guests/${GUEST}`;
        const ask = async (path: string, init: RequestInit = {}) => {
          return (await fetch(`${base}${path}`, { ...init, headers: { cookie, origin } })).status;
        };
        expect(await ask(`/containers/${id}/files?path=/`)).toBe(403);
        expect(await ask(`/containers/${id}/file?path=/planted`, { method: "PUT", body: "planted" })).toBe(403);
        expect(await ask("/actions", { method: "POST", body: '{"action":"pause"}' })).toBe(403);
      } finally {
        await other.close();
        hostile.closeAllConnections();
        hostile.close();
      }
    },
  );

  it.skipIf(whyNoBrowser !== undefined)(`continues a terminal over the agent's death and a reload${when}`, async () => {
    await page.getByRole("link", { name: id }).focus();
    await page.keyboard.press("s");
    await page.getByRole("button", { name: "Open a terminal" }).click();
    const screen = page.locator(".xterm-rows");
    await screen.getByText(/\/ # *$/).waitFor();
    await page.keyboard.type("echo one $((6 * 7))\n");
    await screen.getByText("one 42", { exact: true }).waitFor();
    await served.machine.killAgent();
    await page.keyboard.type("echo two $((6 * 7))\n");
    await screen.getByText("two 42", { exact: true }).waitFor();
    await page.reload();
    await screen.getByText("two 42", { exact: true }).waitFor();
    await page.getByText("Attached.", { exact: true }).waitFor();
    await page.keyboard.type("exit 3\n");
    await page.getByText("The process has ended with exit code 3.").waitFor();
  });

  it.skipIf(whyNoBrowser !== undefined)(
    `shows the agent's restart, logs and the launch plan, and no charts of a guest that isn't there, without a violation of its policy${when}`,
    async () => {
      await page.getByRole("link", { name: "logs" }).click();
      await page.getByRole("log").getByText("printed").waitFor();
      await page.getByRole("link", { name: "plan" }).click();
      await page
        .getByRole("row", { name: /process\.args/ })
        .first()
        .waitFor();
      await page
        .getByRole("cell", { name: /^\d+ µs$/ })
        .first()
        .waitFor(); // also after the agent's death
      await page.getByRole("link", { name: GUEST }).click();
      await page.getByRole("link", { name: "events" }).click();
      await page.getByRole("row", { name: /agent-restarted/ }).waitFor();
      await page.goto(`${new URL(link).origin}/#/guests/${GUEST}/usage`);
      await page.getByRole("figure").first().waitFor();
      await page.goto(`${new URL(link).origin}/#/guests/none/usage`);
      await page.getByText("Guest none does not run.").waitFor();
      expect(await page.getByRole("figure").count()).toBe(0);
      expect(problems).toEqual([]);
    },
  );
});
