import type { ErrorAnswer, LinkAnswer, LinkRequest } from "../../serve/protocol/requests.ts";
import { secretHeader } from "./page-secret.ts";

/** A request that the server refused, or that didn't reach it. The message is one line. */
export class ApiError extends Error {
  /** HTTP status; 0 if no answer came. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Returns a path below /api with its parts escaped. */
export function apiPath(...parts: readonly string[]): string {
  return `/api/${parts.map(encodeURIComponent).join("/")}`;
}

/** Gets JSON. Rejects with ApiError. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await send(path, signal === undefined ? {} : { signal });
  return (await answer.json()) as T;
}

/** Posts JSON, and returns the answer's; undefined if it is empty. Rejects with ApiError. */
export async function postJson<T>(path: string, body: unknown): Promise<T | undefined> {
  const answer = await send(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.status === 204 ? undefined : ((await answer.json()) as T);
}

/** Downloads a file by the browser, to which the server gives an address for it. Rejects with ApiError. */
export async function download(path: string, name: string): Promise<void> {
  const request: LinkRequest = { path };
  const { href = "" } = (await postJson<LinkAnswer>("/api/links", request)) ?? {};
  const link = document.createElement("a");
  Object.assign(link, { href, download: name });
  link.click();
}

async function send(path: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(path, { ...options, headers: { ...options.headers, ...secretHeader() } }).catch(
    (error: unknown) => {
      if (options.signal?.aborted) throw error;
      throw new ApiError(0, "the server does not answer");
    },
  );
  if (answer.ok) return answer;
  throw new ApiError(answer.status, await errorOf(answer));
}

/** Returns the one line of a refusal. */
async function errorOf(answer: Response): Promise<string> {
  const text = await answer.text().catch(() => "");
  try {
    return (JSON.parse(text) as ErrorAnswer).error;
  } catch {
    return answer.status === 403 ? "not allowed" : `HTTP status ${answer.status}`;
  }
}
