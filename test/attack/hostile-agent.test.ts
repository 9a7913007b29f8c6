import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProgram } from "../../host/cli/program.ts";
import { TOOLS } from "../../host/mcp/tool/tools.ts";
import { Files } from "../../host/sdk/files/files.ts";
import { Sandbox } from "../../host/sdk/sandbox/sandbox.ts";
import { allRoutes } from "../../host/serve/route/all-routes.ts";
import { AttackedHost } from "./hostile-agent/attack-guestctl.ts";
import { expectHarmless } from "./hostile-agent/expect-harmless.ts";
import { GUESTCTL_LINES } from "./hostile-agent/guestctl-lines.ts";
import { MCP_CALLS } from "./hostile-agent/mcp-lines.ts";
import { FILE_CALLS, SDK_CALLS } from "./hostile-agent/sdk-lines.ts";
import { ROUTE_LINES } from "./hostile-agent/serve-lines.ts";

/** The rest is test/nightly/hostile-agent.test.ts. */
const SELECTION = [
  ["events", "plausible"],
  ["events", "names"],
  ["stats", "many"],
  ["ports", "errors"],
  ["explain", "long"],
  ["run", "silent"],
  ["__supervise", "names"],
] as const;

describe("a hostile agent", () => {
  let host: AttackedHost;
  beforeAll(async () => {
    host = await AttackedHost.start();
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  const methodsOf = (prototype: object) =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype))
      .filter(([name, { value }]) => name !== "constructor" && typeof value === "function")
      .map(([name]) => name);

  it("has lines for every command of guestctl", async () => {
    expect(Object.keys(GUESTCTL_LINES).sort()).toEqual(
      (await createProgram()).commands.map((command) => command.name()).sort(),
    );
  });

  it("has calls of every method of the SDK", () => {
    expect(Object.keys(SDK_CALLS).sort()).toEqual(methodsOf(Sandbox.prototype).sort());
    expect(Object.keys(FILE_CALLS).sort()).toEqual(methodsOf(Files.prototype).sort());
  });

  it("has calls of every tool of MCP", () => {
    expect(Object.keys(MCP_CALLS).sort()).toEqual(TOOLS.map(({ name }) => name).sort());
  });

  it("has requests to every route of guestctl serve", () => {
    expect(Object.keys(ROUTE_LINES).sort()).toEqual(allRoutes.map(({ method, path }) => `${method} ${path}`).sort());
  });

  let idleMib: number;
  it("that is silent keeps no command from ending", async () => {
    const line = GUESTCTL_LINES["stats"]?.[0];
    if (line === undefined || typeof line === "string") throw new Error("stats has no line");
    const silent = await host.guestctl(line, "silent");
    idleMib = silent.peakMib;
    expectHarmless(silent, idleMib);
  });

  it.each(SELECTION)("does no harm by guestctl %s, whose answers are %s", async (name, manner) => {
    const line = GUESTCTL_LINES[name]?.[0];
    if (line === undefined || typeof line === "string") throw new Error(`${name} has no line`);
    expectHarmless(await host.guestctl(line, manner), idleMib);
  });

  // Only the nightly run measures the memory of these, beside that with a silent agent.
  it("does no harm by a tool of MCP, whose answers are names", async () => {
    const attacked = await host.mcp("file_list", "names");
    expectHarmless(attacked, attacked.peakMib);
  });

  it("does no harm by any route of guestctl serve, whose answers are names", async () => {
    const line = GUESTCTL_LINES["serve"]?.[1];
    if (line === undefined || typeof line === "string") throw new Error("serve has no client");
    const attacked = await host.guestctl(line, "names");
    expectHarmless(attacked, attacked.peakMib);
  });
});
