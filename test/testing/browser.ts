import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const PROGRAMS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/** Path of an installed Chromium, or of the one that GUESTD_CHROMIUM names. */
export const browserProgram =
  process.env["GUESTD_CHROMIUM"] ?? PROGRAMS.map((name) => `/usr/bin/${name}`).find((path) => existsSync(path));

/** Reason why no page can be opened; undefined if one can. */
export const whyNoBrowser = browserProgram === undefined ? "no browser: apt-get install chromium" : undefined;

/** How a page is shown: width in CSS pixels, and the colours that the user prefers. */
export interface Look {
  readonly width: number;
  readonly colors: "light" | "dark";
}

/** A page that is open in a browser. */
export interface OpenPage extends AsyncDisposable {
  /** Opens another address, and resolves when it is loaded. */
  open(url: string): Promise<void>;
  /** Changes the width of the window and the preferred colours. */
  emulate(look: Look): Promise<void>;
  /** Evaluates an expression in the page, and resolves to its value as JSON. Rejects if it throws. */
  evaluate<T>(expression: string): Promise<T>;
  /** Texts of errors and violations that the browser has reported so far. */
  readonly problems: readonly string[];
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly entry?: { readonly text: string };
    readonly exceptionDetails?: { readonly text: string };
    readonly type?: string;
    readonly args?: readonly { readonly value?: unknown; readonly description?: string }[];
  };
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** Opens a page in a headless browser, by Chromium's DevTools protocol over two pipes. */
export async function openPage(url: string): Promise<OpenPage> {
  const profile = mkdtempSync(join(tmpdir(), "guestd-browser-"));
  const flags = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
  ];
  // A process group of its own, because Debian's program is a shell script that starts the browser.
  const browser = spawn(browserProgram ?? "", flags, {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    detached: true,
  });
  const ended = new Promise((resolve) => browser.once("close", resolve));
  const [input, output] = [browser.stdio[3] as Writable, browser.stdio[4] as Readable];
  input.on("error", () => undefined);
  const problems: string[] = [];
  let loaded = Promise.withResolvers<void>();
  const waiting = new Map<number, (message: Message) => void>();
  let rest = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop() ?? "";
    for (const one of messages) receive(JSON.parse(one) as Message);
  });
  const receive = (message: Message) => {
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    if (message.method === "Page.loadEventFired") loaded.resolve();
    const { entry, exceptionDetails, type, args = [] } = message.params ?? {};
    const printed = type === "error" ? args.map((one) => one.value ?? one.description).join(" ") : undefined;
    const text = entry?.text ?? exceptionDetails?.text ?? printed;
    if (text !== undefined) problems.push(text);
  };
  let calls = 0;
  const call = async (method: string, params: object, sessionId?: unknown) => {
    const id = ++calls;
    const answer = Promise.withResolvers<Message>();
    waiting.set(id, answer.resolve);
    void ended.then(() => answer.reject(new Error(`${method}: the browser has ended`)));
    input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const { result = {}, error } = await answer.promise;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  for (const domain of ["Log", "Runtime", "Page"]) await call(`${domain}.enable`, {}, sessionId);
  const page: OpenPage = {
    problems,
    async open(url) {
      loaded = Promise.withResolvers();
      void ended.then(() => loaded.reject(new Error(`open ${url}: the browser has ended`)));
      await call("Page.navigate", { url }, sessionId);
      await loaded.promise;
    },
    async emulate({ width, colors }) {
      const size = { width, height: 900, deviceScaleFactor: 1, mobile: false };
      await call("Emulation.setDeviceMetricsOverride", size, sessionId);
      const features = [{ name: "prefers-color-scheme", value: colors }];
      await call("Emulation.setEmulatedMedia", { features }, sessionId);
    },
    async evaluate<T>(expression: string) {
      const answer = await call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true }, sessionId);
      const { result, exceptionDetails } = answer as { result: { value: T }; exceptionDetails?: { text: string } };
      if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`);
      return result.value;
    },
    async [Symbol.asyncDispose]() {
      if (browser.pid !== undefined) process.kill(-browser.pid, "SIGKILL");
      await ended;
      rmSync(profile, { recursive: true, force: true });
    },
  };
  await page.open(url);
  return page;
}
