import { ReadStream } from "node:tty";
import { Box, type Instance, type Key, render, Text, type TextProps, useInput } from "ink";
import { createElement, type ReactElement } from "react";
import type { ScreenLine } from "./top-screen.ts";
import type { TopKey } from "./top-state.ts";

interface ScreenProps {
  readonly lines: readonly ScreenLine[];
  readonly hasColors: boolean;
  onKey(key: TopKey): void;
}

const STYLES: Readonly<Record<NonNullable<ScreenLine["style"]>, TextProps>> = {
  title: { bold: true },
  selected: { inverse: true },
  dim: { dimColor: true },
  warning: { color: "yellow" },
};

/** The terminal while ink has it: the alternate screen, in raw mode, until `close`. */
export interface Display {
  show(lines: readonly ScreenLine[]): void;
  /** Restores the terminal. Idempotent. */
  close(): Promise<void>;
}

export interface DisplayOptions {
  readonly hasColors: boolean;
  onKey(key: TopKey): void;
  /** Takes typed bytes instead of `onKey`, if it returns true. */
  onBytes(bytes: Uint8Array): boolean;
}

/** Takes the terminal of this process. */
export function openDisplay({ hasColors, onKey, onBytes }: DisplayOptions): Display {
  const screen = (lines: readonly ScreenLine[]) => createElement(Screen, { lines, hasColors, onKey });
  // A stream of its own, because process.stdin would still take what is typed next, after it is paused: that is for a shell.
  const stdin = new ReadStream(0);
  const read = stdin.read.bind(stdin);
  stdin.read = (size?: number) => {
    for (;;) {
      const chunk: string | Buffer | null = read(size);
      if (chunk === null || !onBytes(Buffer.from(chunk as string))) return chunk;
    }
  };
  const ink: Instance = render(screen([]), {
    stdin,
    alternateScreen: true,
    exitOnCtrlC: false,
    interactive: true,
    incrementalRendering: true,
  });
  return {
    show: (lines) => ink.rerender(screen(lines)),
    async close() {
      ink.unmount();
      await ink.waitUntilExit();
      stdin.destroy();
    },
  };
}

function Screen({ lines, hasColors, onKey }: ScreenProps): ReactElement {
  useInput((input, key) => {
    for (const each of keysOf(input, key)) onKey(each);
  });
  const rows = lines.map(({ text, style }, at) => {
    const look = hasColors && style !== undefined ? STYLES[style] : {};
    return createElement(Text, { key: at, wrap: "truncate", ...look }, text === "" ? " " : text);
  });
  return createElement(Box, { flexDirection: "column" }, rows);
}

const NAMED = {
  upArrow: "up",
  downArrow: "down",
  leftArrow: "left",
  rightArrow: "right",
  pageUp: "pageup",
  pageDown: "pagedown",
  home: "home",
  end: "end",
  return: "enter",
  escape: "escape",
  backspace: "backspace",
  delete: "backspace",
} as const;

/** Keys by their characters in text that arrives together, as pasted or quickly typed text does. */
const CHARACTERS: Readonly<Record<string, TopKey>> = {
  "\r": "enter",
  "\n": "enter",
  "\u007f": "backspace",
  "\b": "backspace",
};

/** Returns the names of the keys of an input. */
function keysOf(input: string, key: Key): readonly TopKey[] {
  const name = (Object.keys(NAMED) as (keyof typeof NAMED)[]).find((each) => key[each]);
  if (name !== undefined) return [NAMED[name]];
  if (key.ctrl) return input === "c" ? ["ctrl-c"] : [];
  if (key.meta || key.tab) return [];
  return [...input].flatMap((character) => CHARACTERS[character] ?? (character < " " ? [] : character));
}
