import type { MeAnswer, SessionAnswer, SessionRequest } from "../../serve/protocol/requests.ts";
import { ApiError, getJson, postJson } from "./api.ts";
import { keepSecret } from "./page-secret.ts";

/** Exchanges the token in the address for a session, if there is one. It works once, so it is removed from the address. */
export async function exchangeToken(): Promise<void> {
  const token = tokenIn(location.hash);
  if (token === undefined) return;
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  const request: SessionRequest = { token };
  try {
    const answer = await postJson<SessionAnswer>("/api/session", request);
    if (answer !== undefined) keepSecret(answer.secret);
  } catch (error) {
    // A session of an earlier link may still be good.
    if (!(error instanceof ApiError)) throw error;
  }
}

/** Returns the token in a fragment; routes begin with a slash. */
export function tokenIn(fragment: string): string | undefined {
  const text = fragment.replace(/^#/, "");
  return text === "" || text.startsWith("/") ? undefined : text;
}

/** Asks the server who we are: undefined without a session. Rejects with ApiError if it does not answer. */
export async function whoAmI(): Promise<MeAnswer | undefined> {
  try {
    return await getJson<MeAnswer>("/api/me");
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 401)) return undefined;
    throw error;
  }
}
