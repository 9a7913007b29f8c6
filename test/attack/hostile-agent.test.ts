import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProgram } from "../../host/cli/program.ts";
import { Files } from "../../host/sdk/files/files.ts";
import { Sandbox } from "../../host/sdk/sandbox/sandbox.ts";
import { AttackedHost } from "./hostile-agent/attack-guestctl.ts";
import { expectHarmless } from "./hostile-agent/expect-harmless.ts";
import { GUESTCTL_LINES } from "./hostile-agent/guestctl-lines.ts";
import { FILE_CALLS, SDK_CALLS } from "./hostile-agent/sdk-lines.ts";

/** The rest is test/nightly/hostile-agent.test.ts. */
const SELECTION = [
  ["events", "plausible"],
  ["events", "names"],
  ["stats", "many"],
  ["ports", "errors"],
  ["explain", "long"],
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

  it("has lines for every command of guestctl", () => {
    expect(Object.keys(GUESTCTL_LINES).sort()).toEqual(
      createProgram()
        .commands.map((command) => command.name())
        .sort(),
    );
  });

  it("has calls of every method of the SDK", () => {
    expect(Object.keys(SDK_CALLS).sort()).toEqual(methodsOf(Sandbox.prototype).sort());
    expect(Object.keys(FILE_CALLS).sort()).toEqual(methodsOf(Files.prototype).sort());
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
});
