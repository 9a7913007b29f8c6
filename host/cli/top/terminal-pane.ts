import type { Terminal } from "@xterm/headless";
import { type Attachment, attach } from "../../client/streams/attachment.ts";
import { execSpec } from "../../engine/container/exec-spec.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import { CliError } from "../cli-error.ts";
import { isOverfull, terminalLines } from "./terminal-lines.ts";

const SHELL = ["sh"];
const SCROLLBACK = 0;
const SIGHUP = 1;
const CHECKED_BYTES = 1 << 16;

interface Size {
  readonly rows: number;
  readonly columns: number;
}

interface PaneOptions {
  readonly size: Size;
  readonly hasColors: boolean;
  onChange(): void;
  /** Called once, with one line unless the shell ended with 0 or the pane was closed. */
  onEnd(message: string): void;
}

/** A shell in a container whose terminal is a part of the screen. It continues over the agent's death. */
export class TerminalPane {
  readonly #terminal: Terminal;
  readonly #attachment: Attachment;
  readonly #hasColors: boolean;
  #isClosed = false;
  /** Bytes since its cells were looked at. */
  #unchecked = 0;

  private constructor(terminal: Terminal, target: ContainerTarget, { size, hasColors, onChange, onEnd }: PaneOptions) {
    this.#terminal = terminal;
    this.#hasColors = hasColors;
    const { address, dial } = streamsPlace(target);
    const { container } = target;
    const process = execSpec(target, SHELL, { terminal: size });
    const onData = (_: unknown, bytes: Uint8Array) =>
      new Promise<void>((resolve) => {
        if (this.#isClosed) return resolve();
        terminal.write(Uint8Array.from(bytes), () => {
          this.#unchecked += bytes.length;
          if (this.#unchecked > CHECKED_BYTES) {
            this.#unchecked = 0;
            if (isOverfull(terminal)) terminal.reset();
          }
          onChange();
          resolve();
        });
      });
    this.#attachment = attach(address, { container, exec: randomName("x"), process }, { onData, dial });
    terminal.onData((answer) => this.write(Buffer.from(answer))); // to a program that asks the terminal something
    this.#attachment.exit.then(
      ({ code }) => onEnd(code === 0 || this.#isClosed ? "" : `the shell in ${container} ended with exit code ${code}`),
      (error: Error) => onEnd(this.#isClosed ? "" : error.message),
    );
  }

  /** Starts the shell. Rejects with one line if the terminal's package is not installed. */
  static async open(target: ContainerTarget, options: PaneOptions): Promise<TerminalPane> {
    const { default: headless } = await import("@xterm/headless").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
      const remedy = 'run "npm install @xterm/headless" where guestd is installed, or press s';
      throw new CliError(`terminal: its package is not installed; ${remedy}`, { cause: error });
    });
    const { rows, columns } = options.size;
    const terminal = new headless.Terminal({ rows, cols: columns, scrollback: SCROLLBACK, allowProposedApi: true });
    return new TerminalPane(terminal, target, options);
  }

  /** Lines that the terminal shows, with its colours. */
  get lines(): readonly string[] {
    return terminalLines(this.#terminal, this.#hasColors);
  }

  /** Types. */
  write(bytes: Uint8Array): void {
    this.#attachment.write(bytes).catch(() => undefined); // the end is reported by `onEnd`
  }

  resize({ rows, columns }: Size): void {
    if (rows === this.#terminal.rows && columns === this.#terminal.cols) return;
    this.#terminal.resize(columns, rows);
    this.#attachment.resize(rows, columns);
  }

  /** Ends the shell, as the end of its terminal would, and detaches. */
  close(): void {
    this.#isClosed = true;
    this.#attachment.signal(SIGHUP);
    this.#attachment.attached.then(
      () => this.#attachment.close(),
      () => undefined,
    );
    this.#terminal.dispose();
  }
}
