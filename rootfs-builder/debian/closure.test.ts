import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { packageClosure } from "./closure.ts";
import { AptRepository } from "./testing/apt-repository.ts";

describe("the closure of packages in apt's lists", () => {
  const folder = mkdtempSync(join(tmpdir(), "guestd-closure-"));
  const repository = new AptRepository(folder);
  beforeAll(() =>
    repository.publish([
      {
        name: "tool",
        version: "2:1.5",
        depends: "libtool (>= 1), debconf (>= 0.5) | debconf-2.0",
        recommends: "extra",
      },
      { name: "libtool", preDepends: "base:any (= 1.0)", depends: "tool" },
      { name: "base" },
      { name: "extra" },
      { name: "debconf" },
      { name: "shell", depends: "awk, editor | vi | nano" },
      { name: "gawk", provides: "awk (= 1)" },
      { name: "nano" },
      { name: "vi" },
      { name: "torn", depends: "nowhere" },
    ]),
  );
  beforeEach(() => {
    for (const [name, value] of Object.entries(repository.env)) vi.stubEnv(name, value);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const names = async (...wanted: string[]) => (await packageClosure(wanted)).map(({ name }) => name);

  test("includes dependencies, also circular ones, but not recommended packages or those for scripts", async () => {
    expect(await names("tool")).toEqual(["base", "libtool", "tool"]);
    expect((await packageClosure(["tool"]))[2]).toEqual({
      name: "tool",
      version: "2:1.5",
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test("prefers an alternative that is already included, then the first that apt has, or a provider of it", async () => {
    expect(await names("shell")).toEqual(["gawk", "shell", "vi"]);
    expect(await names("nano", "shell")).toEqual(["gawk", "nano", "shell"]);
  });

  test.each([
    [["absent"], /^packages absent: apt-cache ended with 100: .*: if the names are right, run apt-get update as root$/],
    [["torn"], /^package torn: needs nowhere, which apt doesn't have$/],
  ])("is refused in one line for %j", async (wanted, message) => {
    await expect(packageClosure(wanted)).rejects.toThrow(message);
  });
});
