import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { guestHookProblems, scanGuestHooks } from "./guest-hooks.ts";

let directory = "";
let problems: string[] = [];
const listen = (message: unknown) => void problems.push(message as string);
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "guestd-hooks-")));
  problems = [];
  guestHookProblems.subscribe(listen);
});
afterEach(() => {
  guestHookProblems.unsubscribe(listen);
  rmSync(directory, { recursive: true });
});

const program = (kind: string, name: string, mode = 0o755) => {
  mkdirSync(join(directory, kind), { recursive: true });
  writeFileSync(join(directory, kind, name), "#!/bin/sh\n", { mode });
  return join(directory, kind, name);
};
const hook = (path: string, name: string, kind: string) => ({ path, args: [name, kind], env: [], timeout: 10 });

describe("the guest's hook directory", () => {
  test("yields its programs by kind and name, with name and kind as arguments", () => {
    const [b, a] = [program("prestart", "b"), program("prestart", "a")];
    const stop = program("poststop", "x");
    const made = program("createRuntime", "y");
    expect(scanGuestHooks(`${directory}//`)).toEqual({
      prestart: [hook(a, "a", "prestart"), hook(b, "b", "prestart")],
      createRuntime: [hook(made, "y", "createRuntime")],
      poststop: [hook(stop, "x", "poststop")],
    });
    expect(problems).toEqual([]);
  });

  test("yields a program that its owner, its group or others may execute", () => {
    const [a, b, c] = [0o100, 0o010, 0o001].map((mode, at) => program("prestart", `p${at}`, mode));
    expect(scanGuestHooks(directory)?.prestart?.map(({ path }) => path)).toEqual([a, b, c]);
  });

  test("yields nothing for links and files that are not executable or not regular, and reports them", () => {
    const real = program("prestart", "real");
    symlinkSync(real, join(directory, "prestart/link"));
    program("prestart", "text", 0o644);
    mkdirSync(join(directory, "prestart/sub"));
    symlinkSync(join(directory, "prestart"), join(directory, "poststart"));
    expect(scanGuestHooks(directory)).toEqual({ prestart: [hook(real, "real", "prestart")] });
    expect(problems.sort()).toEqual([
      `guest hooks: ${directory}/poststart: not a directory`,
      `guest hooks: ${directory}/prestart/link: not a regular file`,
      `guest hooks: ${directory}/prestart/sub: not a regular file`,
      `guest hooks: ${directory}/prestart/text: not executable`,
    ]);
  });

  test("yields no startContainer hooks, whose path would be looked up in the container", () => {
    program("startContainer", "x");
    expect(scanGuestHooks(directory)).toBeUndefined();
    expect(problems).toEqual([`guest hooks: ${directory}/startContainer: not run from the guest`]);
  });

  test.each([
    ["/no/such/directory", /ENOENT/],
    ["hooks", /not an absolute path/],
  ])("that is %j is none, and told", (path, why) => {
    expect(scanGuestHooks(path)).toBeUndefined();
    expect(problems).toEqual([expect.stringMatching(why)]);
  });

  test("is ignored and reported if its path has a link in it", () => {
    program("prestart", "x");
    symlinkSync(directory, `${directory}-link`);
    expect(scanGuestHooks(`${directory}-link`)).toBeUndefined();
    rmSync(`${directory}-link`);
    expect(problems).toEqual([`guest hooks: ${directory}-link: has a symbolic link in it`]);
  });

  test("is not read unless the host asks for it", () => {
    expect([scanGuestHooks(""), problems]).toEqual([undefined, []]);
  });
});
