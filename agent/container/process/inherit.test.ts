import { expect, it } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { inherit } from "./inherit.ts";

const { capabilities, ...bare } = testSpec().process;
const own = {
  ...testSpec().process,
  user: { uid: 5, gid: 5, additionalGids: [], umask: 0o77 },
  oomScoreAdj: 7,
  scheduler: { policy: "SCHED_IDLE", nice: 0, priority: 0, flags: [], runtime: 0, deadline: 0, period: 0 },
  ioPriority: { class: "IOPRIO_CLASS_IDLE", priority: 0 },
  execCPUAffinity: { initial: "", final: "1" },
  apparmorProfile: "a",
  selinuxLabel: "s",
};

it("an exec inherits missing fields from its container", () => {
  const given = { ...bare, rlimits: [], args: ["ls"] };
  expect(inherit(own, given)).toEqual({ ...own, args: ["ls"], user: { ...bare.user, umask: 0o77 } });
});

it("an exec keeps the fields of its request", () => {
  const given = {
    ...bare,
    user: { ...bare.user, umask: 0 },
    oomScoreAdj: 9,
    ioPriority: { class: "IOPRIO_CLASS_BE", priority: 1 },
    apparmorProfile: "b",
  };
  expect(inherit(own, given)).toMatchObject({ ...given, scheduler: own.scheduler, capabilities });
});

it("an exec may gain privileges only where its container may", () => {
  const both = [false, true].flatMap((a) => [false, true].map((b) => [a, b] as const));
  const results = both.map(
    ([first, second]) =>
      inherit({ ...bare, noNewPrivileges: first }, { ...bare, noNewPrivileges: second }).noNewPrivileges,
  );
  expect(results).toEqual([false, true, true, true]);
});

it("a field that neither has stays unset", () => {
  expect(inherit(bare, bare)).toEqual(bare);
});
