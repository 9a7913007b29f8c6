import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelKind, OpenChannel } from "../../../host/serve/protocol/socket.ts";
import { PageClient } from "../../../host/serve/testing/page-client.ts";
import { until } from "./attacked-program.ts";
import type { UsedProgram } from "./guestctl-lines.ts";

/** For an answer that never comes or never ends, and for what a channel sends. */
const ROUTE_MS = 3000;
const CHANNEL_MS = 1000;
/** A server that is busy for longer is held by the agent. */
const BUSY_MS = 50_000;

interface RouteLine {
  readonly query?: string;
  readonly body?: object | string;
}

const IN_CONTAINER = "/api/guests/:guest/containers/:container";

/** Requests to each route of `guestctl serve`, or the reason why an agent has no say in it. */
export const ROUTE_LINES: Readonly<Record<string, RouteLine | string>> = {
  "GET /api/me": {},
  "GET /api/boots": {},
  "GET /api/guests/:guest/boot": {},
  "GET /api/guests/:guest/plan": { query: "?container=web" },
  "GET /api/guests/:guest/ports": { query: "?container=web" },
  "GET /api/guests/:guest/memory": {},
  [`GET ${IN_CONTAINER}/files`]: { query: "?path=/" },
  [`GET ${IN_CONTAINER}/file`]: { query: "?path=/etc/hostname" },
  [`PUT ${IN_CONTAINER}/file`]: { query: "?path=/tmp/x", body: "content" },
  "POST /api/guests/:guest/actions": { body: { action: "kill-agent" } },
  [`POST ${IN_CONTAINER}/actions`]: { body: { action: "kill", signal: "TERM" } },
  "GET /api/templates": "templates are files of the host",
  "POST /api/templates/:template/actions": "it boots a guest of the host's files",
  "GET /api/reports": "reports are files of the host",
  "GET /api/reports/:name": "reports are files of the host",
};

/** Opens each kind of channel. */
const CHANNEL_LINES: Readonly<Record<ChannelKind, OpenChannel>> = {
  guests: { kind: "guests" },
  logs: { kind: "logs", guest: "evil" },
  events: { kind: "events" },
  terminal: { kind: "terminal", guest: "evil", container: "web", command: ["sh"], cols: 80, rows: 24 },
  calls: { kind: "calls", guest: "evil" },
};

/** Uses every route and channel of a server, and rejects if it doesn't answer afterwards. */
export async function useEveryRoute({ child, printed }: Pick<UsedProgram, "child" | "printed">): Promise<void> {
  const page = await PageClient.open(await until(child, () => /https?:\S+#\S+/.exec(printed.stdout)?.[0]));
  const socket = await page.socket();
  const channels = Object.values(CHANNEL_LINES).map((channel) => socket.open(channel));
  for (const channel of channels) channel.onMessage = () => undefined;
  await sleep(CHANNEL_MS);
  socket[Symbol.dispose]();
  for (const [route, line] of Object.entries(ROUTE_LINES)) if (typeof line !== "string") await ask(page, route, line);
  const me = await page.request("/api/me", { signal: AbortSignal.timeout(BUSY_MS) });
  if (me.status !== 200) throw new Error(`the server answers ${me.status}`);
}

async function ask(page: PageClient, route: string, { query = "", body }: RouteLine): Promise<void> {
  const [method = "", pattern = ""] = route.split(" ");
  const path = pattern.replace(":guest", "evil").replace(":container", "web");
  const sent = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  try {
    const response = await page.request(`${path}${query}`, {
      ...{ method, signal: AbortSignal.timeout(ROUTE_MS) },
      ...sent,
    });
    for await (const _ of response.body ?? []);
  } catch (error) {
    // An answer may take its time, and a download may fail in the middle.
    if (!/timeout|terminated/i.test(String(error))) throw error;
  }
}
