import { expect, test } from "vitest";
import { constantPolicy } from "./constant-policy.ts";
import { PolicyDoor, type PolicyOptions } from "./policy-door.ts";

function open(options: Partial<PolicyOptions> = {}): PolicyDoor & { readonly kept: string[] } {
  const kept: string[] = [];
  const store = {
    readText: () => kept.at(-1),
    readData: () => undefined,
    writeText: (text: string) => void kept.push(text),
    writeData: () => undefined,
  };
  const door = new PolicyDoor({ read: constantPolicy, store, first: undefined, ...options });
  return Object.assign(door, { kept });
}

const check = (door: PolicyDoor, call: string) => () => door.check(call, `${call}Request`, {});
const denied = (message: string) => expect.objectContaining({ kind: "permission-denied", message });

test("every call is allowed without a policy and lists", () => {
  expect(check(open(), "ExecProcess")).not.toThrow();
});

test("a list of denied calls denies them by call or by request", () => {
  const door = open({ deniedCalls: ["ExecProcess", "CopyFileRequest"] });
  expect(check(door, "ExecProcess")).toThrow(
    denied("ExecProcessRequest is blocked by policy: agent.deny_calls names it"),
  );
  expect(check(door, "CopyFile")).toThrow(denied("CopyFileRequest is blocked by policy: agent.deny_calls names it"));
  expect(check(door, "StartContainer")).not.toThrow();
});

test("a list of allowed calls denies all others", () => {
  const door = open({ allowedCalls: ["CreateSandbox"] });
  expect(check(door, "CreateSandbox")).not.toThrow();
  expect(check(door, "SetPolicy")).toThrow(
    denied("SetPolicyRequest is blocked by policy: agent.allow_calls does not name it"),
  );
});

test("a policy that is set applies from then on and is stored", async () => {
  const door = open();
  const text = "package agent_policy\ndefault CopyFileRequest := false\ndefault StartContainerRequest := true";
  await door.set(text);
  expect(door.kept).toEqual([text]);
  expect(check(door, "CopyFile")).toThrow(
    denied("CopyFileRequest is blocked by policy: rule CopyFileRequest is false"),
  );
  expect(check(door, "StartContainer")).not.toThrow();
  expect(check(door, "ExecProcess")).toThrow(expect.objectContaining({ kind: "internal" }));
});

test("an unreadable policy leaves the old one in force", async () => {
  const door = open();
  await door.set("package agent_policy\ndefault CopyFileRequest := false");
  await expect(door.set("allow all")).rejects.toEqual(expect.objectContaining({ kind: "invalid-argument" }));
  expect(check(door, "CopyFile")).toThrow(/blocked/);
  expect(door.kept).toHaveLength(1);
});

test("the first policy applies until one is set, and a wrong one allows nothing", () => {
  expect(check(open({ first: "package agent_policy\nExecProcessRequest := false" }), "ExecProcess")).toThrow(/blocked/);
  expect(() => open({ first: "" })).toThrow(/^policy, line 1/);
});

test("what continues is asked again when the policy changes, and ends with the reason", async () => {
  const door = open();
  const ends: string[] = [];
  const follow = (name: string, call: string, version = door.version) =>
    door.follow({ checkAgain: check(door, call), onError: (error) => ends.push(`${name}: ${error}`) }, version);
  const before = door.version;
  follow("watch", "Watch");
  follow("gone", "Watch")();
  const leave = follow("events", "Events");
  await door.set("package agent_policy\ndefault WatchRequest := true\ndefault EventsRequest := true");
  expect(ends).toEqual([]);
  const denying = "package agent_policy\ndefault WatchRequest := false\ndefault EventsRequest := true";
  await door.set(denying);
  expect(ends).toEqual([
    expect.stringMatching(/^watch: .*WatchRequest is blocked by policy: rule WatchRequest is false$/),
  ]);
  leave();
  follow("late", "Watch", before);
  follow("allowed", "Events", before);
  expect(ends.slice(1)).toEqual([expect.stringMatching(/^late: .*blocked by policy/)]);
});
