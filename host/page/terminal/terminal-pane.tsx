import { useSignal } from "@preact/signals";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { useEffect, useRef } from "preact/hooks";
import type { OpenTerminal } from "../../serve/protocol/terminal.ts";
import { say, sayError, socket, whyReadOnly } from "../state/page-state.ts";
import { installStrictStyles } from "./strict-styles.ts";
import { TerminalSession } from "./terminal-session.ts";
import { terminalText } from "./terminal-text.ts";
import { terminalTheme } from "./terminal-theme.ts";

/** Lines that can be scrolled back. */
const SCROLLBACK = 20_000;
/** Key of the browser's storage for the choice of the user. */
const READER_KEY = "guestd-screen-reader";

type Place = Pick<OpenTerminal, "guest" | "container" | "exec" | "command">;

/** A terminal with its buttons. Shift+Escape leaves it, so that Tab and Escape belong to the program. */
export function TerminalPane({ place }: { readonly place: Place }) {
  const box = useRef<HTMLDivElement>(null);
  const leave = useRef<HTMLButtonElement>(null);
  const opened = useSignal<{ readonly terminal: Terminal; readonly session: TerminalSession } | undefined>(undefined);
  const hasReader = useSignal(localStorage.getItem(READER_KEY) === "yes");
  const { guest, container, exec } = place;
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const open = openTerminal(element, place, hasReader.value, () => leave.current?.focus());
    opened.value = open;
    return () => open.close();
  }, [guest, container, exec]);
  const state = opened.value?.session.state.value;
  const copy = async () => {
    const text = opened.value === undefined ? "" : terminalText(opened.value.terminal);
    await navigator.clipboard.writeText(text);
    say(`copied ${text.length} characters`);
  };
  return (
    <section class="terminal" aria-label={`terminal of ${container}`}>
      <p class="buttons">
        <button type="button" ref={leave} onClick={() => opened.value?.terminal.focus()}>
          Type
        </button>
        {state?.role === "observer" && (
          <button
            type="button"
            class="main"
            disabled={whyReadOnly() !== undefined}
            title={whyReadOnly()}
            onClick={() => {
              opened.value?.session.takeOver();
              // This button disappears.
              opened.value?.terminal.focus();
            }}
          >
            Take over
          </button>
        )}
        <button type="button" onClick={() => void copy().catch(sayError)}>
          Copy text
        </button>
        <button
          type="button"
          aria-pressed={hasReader.value}
          onClick={() => {
            hasReader.value = !hasReader.value;
            localStorage.setItem(READER_KEY, hasReader.value ? "yes" : "no");
            if (opened.value !== undefined) opened.value.terminal.options.screenReaderMode = hasReader.value;
          }}
        >
          Screen reader
        </button>
        <span role="status" class={state?.hasEnded === true ? "bad" : "quiet"}>
          {state?.text}
        </span>
        <span class="quiet keys">Shift+Esc leaves the terminal</span>
      </p>
      <div class="screen" ref={box} />
    </section>
  );
}

function openTerminal(element: HTMLElement, place: Place, screenReaderMode: boolean, leave: () => void) {
  installStrictStyles();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const terminal = new Terminal({
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: 13,
    scrollback: SCROLLBACK,
    minimumContrastRatio: 4.5,
    screenReaderMode,
    theme: terminalTheme(dark.matches),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key !== "Escape" || !event.shiftKey) return true;
    if (event.type === "keydown") leave();
    return false;
  });
  fit.fit();
  const session = new TerminalSession(terminal, socket, place);
  const sizes = new ResizeObserver(() => fit.fit());
  sizes.observe(element);
  const recolor = () => {
    terminal.options.theme = terminalTheme(dark.matches);
  };
  dark.addEventListener("change", recolor);
  terminal.focus();
  return {
    terminal,
    session,
    close() {
      dark.removeEventListener("change", recolor);
      sizes.disconnect();
      session.close();
      terminal.dispose();
    },
  };
}
