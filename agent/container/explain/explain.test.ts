import { expect, test } from "vitest";
import type { Spec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { explainSpec } from "./explain.ts";

const explained = (parts: Partial<Spec> = {}) =>
  explainSpec(testSpec(parts)).map(({ operation, object, reason }) => `${operation} ${object}, ${reason}`);

test("the cgroup is explained first, then the agent's mounts, the fork and the plan up to execve", () => {
  const lines = explained();
  expect(lines[0]).toMatch(/^mkdir cgroup \/default\/c1, linux.cgroupsPath$/);
  const at = lines.indexOf("clone3 new pid, into its cgroup, linux.namespaces");
  expect(lines[at - 1]).toMatch(/^mount devpts /);
  expect(lines.at(-1)).toMatch(/^execve .*, process.args$/);
  const { linux } = testSpec();
  const shared = { ...linux, namespaces: [{ type: "mount", path: "" }, ...linux.namespaces.slice(0, 2)] };
  expect(explained({ linux: shared })).toContain("clone3 into its cgroup, linux.namespaces");
});

test("hooks are explained where they run", () => {
  const hook = (path: string) => [{ path, args: [path, "x"], env: ["SECRET=1"], timeout: 7 }];
  const lines = explained({
    hooks: {
      prestart: hook("/1"),
      createContainer: hook("/2"),
      startContainer: hook("/3"),
      poststart: hook("/4"),
      poststop: hook("/5"),
    },
  });
  const shown = lines.filter((line) => /^(hook|wait|pivot|execve) /.test(line));
  expect(shown).toEqual([
    expect.stringMatching(/^wait .*, hooks$/),
    "hook /1 x, at most 7 s, hooks.prestart[0]",
    "hook /2 x, at most 7 s, hooks.createContainer[0]",
    expect.stringMatching(/^pivot /),
    expect.stringMatching(/^wait .*, StartContainer$/),
    "hook /3 x, at most 7 s, hooks.startContainer[0]",
    expect.stringMatching(/^execve /),
    "hook /4 x, at most 7 s, hooks.poststart[0]",
    "hook /5 x, at most 7 s, hooks.poststop[0]",
  ]);
  expect(lines.join()).not.toContain("SECRET");
});

test("a spec for another runtime has no plan", () => {
  const annotations = { "guestd.runtime": "crun" };
  expect(() => explained({ annotations })).toThrow(
    expect.objectContaining({
      message: "explain: the spec requests crun, which has no launch plan",
      kind: "failed-precondition",
    }),
  );
});

test("an invalid spec is refused as by CreateContainer", () => {
  expect(() => explained({ unsupported: ["windows"] })).toThrow("OCI spec: windows");
});
