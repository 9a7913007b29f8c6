import type { Page } from "playwright-core";
import { expect } from "vitest";

/** The terminal that a page shows. */
export class PageTerminal {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Opens a terminal with a command of the container whose view is shown. */
  async open(command: string): Promise<void> {
    await this.#page.getByRole("link", { name: "terminal", exact: true }).click();
    await this.#page.getByLabel("Command").fill(command);
    await this.#page.getByRole("button", { name: "Open a terminal" }).click();
    await this.isAttached();
  }

  async isAttached(): Promise<void> {
    await this.#page.getByText("Attached.", { exact: true }).waitFor();
  }

  async type(text: string): Promise<void> {
    await this.#page.keyboard.type(text);
  }

  /** Waits until the last line that isn't empty matches. */
  async ends(wanted: RegExp): Promise<void> {
    await expect.poll(() => this.screen()).toMatch(wanted);
  }

  /** Returns the visible text, without empty lines at its end. */
  async screen(): Promise<string> {
    const rows = await this.#page.locator(".xterm-rows > div").allInnerTexts();
    return rows
      .map((row) => row.replaceAll("\u00a0", " ").trimEnd())
      .join("\n")
      .trimEnd();
  }

  /** Returns all text, by the button that copies it. */
  async text(): Promise<string> {
    await this.#page.getByRole("button", { name: "Copy text" }).click();
    await this.#page.getByText(/^copied \d+ characters$/).waitFor();
    const text = await this.#page.evaluate<string>("navigator.clipboard.readText()");
    await this.#page.getByRole("button", { name: "Type" }).click();
    return text;
  }

  /** Returns the number of rows. */
  rows(): Promise<number> {
    return this.#page.locator(".xterm-rows > div").count();
  }

  /** Pastes a text, as the browser does. */
  async paste(text: string): Promise<void> {
    await this.#page.evaluate(`(() => {
      const data = new DataTransfer();
      data.setData("text/plain", ${JSON.stringify(text)});
      const target = document.querySelector(".xterm-helper-textarea");
      target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    })()`);
  }
}
