import { describe, it } from "vitest";
import { type Attacked, AttackedHost } from "../attack/hostile-agent/attack-guestctl.ts";
import { expectHarmless } from "../attack/hostile-agent/expect-harmless.ts";
import { GUESTCTL_LINES } from "../attack/hostile-agent/guestctl-lines.ts";
import { MANNERS } from "../attack/hostile-agent/hostile-agent.ts";
import { MCP_CALLS } from "../attack/hostile-agent/mcp-lines.ts";
import { FILE_CALLS, SDK_CALLS } from "../attack/hostile-agent/sdk-lines.ts";

type Manner = (typeof MANNERS)[number];

const LINES = Object.values(GUESTCTL_LINES).flatMap((lines) => (typeof lines === "string" ? [] : lines));
const CALLS = [
  ...Object.entries(SDK_CALLS),
  ...Object.entries(FILE_CALLS).map(([name, call]) => [`files.${name}`, call] as const),
].flatMap(([name, call]) => (typeof call === "string" ? [] : [name]));

// Programs mostly wait, for an answer or their limits, so several run at once, each at an agent of its own.
describe.concurrent("a hostile agent does no harm", { timeout: 1_800_000 }, () => {
  async function attack(run: (host: AttackedHost, manner: Manner) => Promise<Attacked>): Promise<void> {
    await using host = await AttackedHost.start();
    const silent = await run(host, "silent");
    for (const manner of MANNERS)
      expectHarmless(manner === "silent" ? silent : await run(host, manner), silent.peakMib);
  }

  it.each(LINES.map((line) => [line.words.join(" "), line] as const))("by guestctl %s", (_, line) =>
    attack((host, manner) => host.guestctl(line, manner)),
  );

  it.each(Object.keys(MCP_CALLS))("by the tool %s of MCP", (name) => attack((host, manner) => host.mcp(name, manner)));

  it.each(CALLS)("by the SDK's %s", (name) => attack((host, manner) => host.sdk(name, manner)));
});
