import type { ITheme } from "@xterm/xterm";

const DARK: ITheme = {
  ...{ background: "#14171a", foreground: "#e4e6e8", cursor: "#e4e6e8", cursorAccent: "#14171a" },
  ...{ selectionBackground: "#3a5068", black: "#2b3036", brightBlack: "#858d96" },
  ...{ red: "#f0787a", green: "#7fc98a", yellow: "#e0b964", blue: "#7fb0f0" },
  ...{ magenta: "#cf9be0", cyan: "#6cc4c8", white: "#d5d8db" },
  ...{ brightRed: "#ff9a9c", brightGreen: "#a0e4aa", brightYellow: "#f5d58c", brightBlue: "#a5cbff" },
  ...{ brightMagenta: "#e5bdf2", brightCyan: "#96e2e5", brightWhite: "#ffffff" },
};

const LIGHT: ITheme = {
  ...{ background: "#ffffff", foreground: "#1c2024", cursor: "#1c2024", cursorAccent: "#ffffff" },
  ...{ selectionBackground: "#b5d3f2", black: "#1c2024", brightBlack: "#5c6670" },
  ...{ red: "#b3261e", green: "#1a6b30", yellow: "#7a5800", blue: "#1a56b0" },
  ...{ magenta: "#8a2a9c", cyan: "#00666b", white: "#5c6670" },
  ...{ brightRed: "#c9342b", brightGreen: "#1f7d39", brightYellow: "#8a6400", brightBlue: "#2266cc" },
  ...{ brightMagenta: "#9c36b0", brightCyan: "#00767b", brightWhite: "#1c2024" },
};

/** Returns the colours for the user's scheme. */
export function terminalTheme(isDark: boolean): ITheme {
  return isDark ? DARK : LIGHT;
}
