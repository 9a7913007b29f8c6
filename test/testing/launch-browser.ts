import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { browserProgram } from "./browser.ts";

/** Starts a headless browser. root has no sandbox. */
export function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    ...(browserProgram === undefined ? {} : { executablePath: browserProgram }),
    args: ["--no-sandbox", "--disable-gpu", ...args],
  });
}

/** A page with what the browser reported about it. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors, and violations of the Content-Security-Policy. */
  readonly problems: readonly string[];
}

/** Opens a page, and collects what goes wrong in it. */
export async function watchedPage(context: BrowserContext): Promise<WatchedPage> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(`${error.stack}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  return { page, problems };
}
