import { afterAll, beforeAll, describe, it } from "vitest";
import { AttackedHost } from "../attack/hostile-agent/attack-guestctl.ts";
import { expectHarmless } from "../attack/hostile-agent/expect-harmless.ts";
import { GUESTCTL_LINES } from "../attack/hostile-agent/guestctl-lines.ts";
import { MANNERS } from "../attack/hostile-agent/hostile-agent.ts";
import { MCP_CALLS } from "../attack/hostile-agent/mcp-lines.ts";
import { FILE_CALLS, SDK_CALLS } from "../attack/hostile-agent/sdk-lines.ts";

const LINES = Object.values(GUESTCTL_LINES).flatMap((lines) => (typeof lines === "string" ? [] : lines));
const CALLS = [
  ...Object.entries(SDK_CALLS),
  ...Object.entries(FILE_CALLS).map(([name, call]) => [`files.${name}`, call] as const),
].flatMap(([name, call]) => (typeof call === "string" ? [] : [name]));

describe("a hostile agent does no harm", { timeout: 900_000 }, () => {
  let host: AttackedHost;
  beforeAll(async () => {
    host = await AttackedHost.start();
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  it.each(LINES.map((line) => [line.words.join(" "), line] as const))("by guestctl %s", async (_, line) => {
    const silent = await host.guestctl(line, "silent");
    expectHarmless(silent, silent.peakMib);
    for (const manner of MANNERS) expectHarmless(await host.guestctl(line, manner), silent.peakMib);
  });

  it.each(Object.keys(MCP_CALLS))("by the tool %s of MCP", async (name) => {
    const silent = await host.mcp(name, "silent");
    expectHarmless(silent, silent.peakMib);
    for (const manner of MANNERS) expectHarmless(await host.mcp(name, manner), silent.peakMib);
  });

  it.each(CALLS)("by the SDK's %s", async (name) => {
    const silent = await host.sdk(name, "silent");
    expectHarmless(silent, silent.peakMib);
    for (const manner of MANNERS) expectHarmless(await host.sdk(name, manner), silent.peakMib);
  });
});
