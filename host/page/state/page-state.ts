import { signal } from "@preact/signals";
import type { MeAnswer } from "../../serve/protocol/requests.ts";
import { type LinkState, LiveSocket } from "./live-socket.ts";
import { secretProtocols } from "./page-secret.ts";
import { whoAmI } from "./session.ts";

export const linkState = signal<LinkState>("connecting");
/** True once a connection was open. */
export const wasOpen = signal(false);
/** Set once the server has said who we are. */
export const me = signal<MeAnswer | undefined>(undefined);
/** One line about the last action. */
export const message = signal<{ readonly text: string; readonly isError: boolean }>({ text: "", isError: false });

/** Why a control is disabled; undefined if it isn't. */
export function whyReadOnly(): string | undefined {
  return me.value?.allowExec === false ? "read-only: start guestctl serve with --allow-exec" : undefined;
}

/** Shows one line, which screen readers read too. */
export function say(text: string): void {
  message.value = { text, isError: false };
}

/** Shows why something failed. */
export function sayError(error: unknown): void {
  message.value = { text: error instanceof Error ? error.message : String(error), isError: true };
}

export const socket = new LiveSocket({
  url: `${location.origin.replace(/^http/, "ws")}/api/socket`,
  protocols: secretProtocols,
  async hasSession() {
    const answer = await whoAmI();
    // Another server may allow less.
    if (answer !== undefined) me.value = answer;
    return answer !== undefined;
  },
  changed(state) {
    linkState.value = state;
    if (state === "open") wasOpen.value = true;
  },
});
