import { stripVTControlCharacters } from "node:util";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { type TreeRow, treeRows } from "../../engine/tree/tree-rows.ts";
import type { GuestNode } from "../../engine/tree/view-tree.ts";
import { describeRow } from "./describe-row.ts";
import { explainWords, killWords, logsWords } from "./row-commands.ts";
import { runForLines } from "./run-command.ts";
import { TerminalPane } from "./terminal-pane.ts";
import { type Display, openDisplay } from "./top-display.ts";
import { pageOf, splitOf, topScreen } from "./top-screen.ts";
import { FIRST_STATE, openPane, press, type TopAction, type TopKey, type TopState } from "./top-state.ts";

/** ^], as in telnet: it is no key of a shell or an editor. */
const CLOSES_TERMINAL = 0x1d;
/** Lines of a log that a pane keeps. */
const KEPT_LINES = 1000;
/** Least time between two pictures, in ms. */
const REDRAW_MS = 100;

export interface TopOptions {
  guests(): readonly GuestNode[];
  /** Returns the flags by which commands find a guest or container. */
  place(row: TreeRow): readonly string[];
  /** Finds the container of a line. Throws one line. */
  target(row: TreeRow): ContainerTarget;
  readonly hasColors: boolean;
  /** Aborts when a signal ends the command. */
  readonly signal: AbortSignal;
}

/** The interactive view: takes the terminal, reads keys, and shows what the guests report. */
export class TopSession {
  readonly #options: TopOptions;
  #state: TopState = FIRST_STATE;
  #display: Display | undefined;
  #redraw: NodeJS.Timeout | undefined;
  /** Ends the command whose lines the pane shows. */
  #pane = new AbortController();
  #terminal: TerminalPane | undefined;
  #done = Promise.withResolvers<TopAction | undefined>();

  constructor(options: TopOptions) {
    this.#options = options;
  }

  /** Resolves with a shell to open, after which `run` may be called again; undefined once the user quits. */
  async run(): Promise<TreeRow | undefined> {
    const { signal, hasColors } = this.#options;
    this.#done = Promise.withResolvers();
    const quit = () => this.#done.resolve(undefined);
    const resize = () => this.#draw();
    this.#display = openDisplay({
      hasColors,
      onKey: (key) => this.#press(key),
      onBytes: (bytes) => this.#type(bytes),
    });
    signal.addEventListener("abort", quit, { once: true });
    process.stdout.on("resize", resize);
    try {
      if (signal.aborted) return undefined;
      this.#draw();
      const action = await this.#done.promise;
      return action !== undefined && "row" in action ? action.row : undefined;
    } finally {
      process.stdout.off("resize", resize);
      signal.removeEventListener("abort", quit);
      clearTimeout(this.#redraw);
      this.#redraw = undefined;
      this.#pane.abort();
      this.#closeTerminal("");
      await this.#display.close();
      this.#display = undefined;
    }
  }

  /** Shows one line about the last command. */
  say(message: string): void {
    this.#state = { ...this.#state, message };
    this.changed();
  }

  /** Draws soon: many changes arrive together. */
  changed(): void {
    if (this.#display === undefined) return;
    this.#redraw ??= setTimeout(() => {
      this.#redraw = undefined;
      this.#draw();
    }, REDRAW_MS);
  }

  #draw(): void {
    const size = sizeOf(process.stdout);
    this.#terminal?.resize(terminalSize());
    this.#display?.show(topScreen(this.#state, this.#options.guests(), size, this.#terminal?.lines));
  }

  #press(key: TopKey): void {
    const rows = treeRows(this.#options.guests(), this.#state);
    const { state, action } = press(this.#state, key, rows, pageOf(sizeOf(process.stdout).rows));
    this.#state = state;
    if (action !== undefined) this.#act(action);
    this.#draw();
  }

  #act(action: TopAction): void {
    switch (action.type) {
      case "quit":
        this.#done.resolve(undefined);
        break;
      case "shell":
        this.#done.resolve(action);
        break;
      case "closePane":
        this.#pane.abort();
        break;
      case "terminal":
        void this.#openTerminal(action.row);
        break;
      case "logs":
        this.#showLogs(action.row);
        break;
      case "describe":
        this.#describe(action.row);
        break;
      case "kill":
        this.#kill(action.row);
        break;
    }
  }

  /** Returns true if the bytes are for the terminal in the screen. */
  #type(bytes: Uint8Array): boolean {
    if (this.#state.mode !== "terminal") return false;
    const end = bytes.indexOf(CLOSES_TERMINAL);
    this.#terminal?.write(end < 0 ? bytes : bytes.subarray(0, end));
    if (end >= 0) this.#closeTerminal("");
    return true;
  }

  async #openTerminal(row: TreeRow): Promise<void> {
    this.#state = { ...this.#state, mode: "terminal", selected: row.key };
    try {
      this.#terminal = await TerminalPane.open(this.#options.target(row), {
        size: terminalSize(),
        hasColors: this.#options.hasColors,
        onChange: () => this.changed(),
        onEnd: (message) => this.#closeTerminal(message),
      });
      this.changed();
    } catch (error) {
      this.#closeTerminal(error instanceof Error ? error.message : String(error));
    }
  }

  #closeTerminal(message: string): void {
    if (this.#state.mode !== "terminal") return;
    this.#terminal?.close();
    this.#terminal = undefined;
    this.#state = { ...this.#state, mode: "tree", message };
    this.changed();
  }

  #showLogs(row: TreeRow): void {
    const { guest, container } = row;
    const words = logsWords(row, this.#options.place(row), KEPT_LINES);
    this.#fill(`logs of ${container?.id ?? `guest ${guest.name}`}`, [], words);
  }

  #describe(row: TreeRow): void {
    const { container } = row;
    const lines = describeRow(row);
    if (container === undefined) {
      this.#state = openPane(this.#state, row.name, lines, 0);
      return;
    }
    this.#fill(row.name, [...lines, "", "launch plan:"], explainWords(container.id, this.#options.place(row)), 0);
  }

  /** Opens a pane with lines, to which those of a command are added as they arrive. */
  #fill(title: string, first: readonly string[], words: readonly string[], from?: number): void {
    this.#pane = new AbortController();
    const { signal } = this.#pane;
    this.#state = openPane(this.#state, title, first, from);
    const add = (line: string) => {
      const { pane } = this.#state;
      if (signal.aborted || pane === undefined) return;
      const lines = [...pane.lines, stripVTControlCharacters(line)].slice(-KEPT_LINES);
      this.#state = { ...this.#state, pane: { ...pane, lines } };
      this.changed();
    };
    const ended = (error: string | undefined) => {
      if (error !== undefined) add(error);
    };
    runForLines(words, add, signal).then(ended, (error: unknown) => ended(String(error)));
  }

  #kill(row: TreeRow): void {
    const { container, process } = row;
    if (container === undefined) return;
    const exec = process?.exec ?? "";
    const words = killWords(container.id, exec, this.#options.place(row));
    const name = exec === "" ? container.id : exec;
    runForLines(words, () => undefined, this.#options.signal).then(
      (error) => this.say(error ?? `killed ${name}`),
      (error: unknown) => this.say(String(error)),
    );
  }
}

function terminalSize(): { readonly rows: number; readonly columns: number } {
  const { rows, columns } = sizeOf(process.stdout);
  return { rows: splitOf(rows).terminal, columns };
}

/** Returns the size of the screen; a terminal that reports none counts as 80×24. */
function sizeOf({ rows, columns }: NodeJS.WriteStream): { readonly rows: number; readonly columns: number } {
  // Ink clears the whole screen for a picture of its height, which flickers.
  return { rows: (rows || 24) - 1, columns: columns || 80 };
}
