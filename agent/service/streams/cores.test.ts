import { closeSync, mkdtempDisposableSync, openSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { HEADER_BYTES } from "../../guest/core-dumps/core-file.ts";
import type { KeptCore, KeptCores } from "../../guest/core-dumps/kept-cores.ts";
import { publishEvent } from "../../kernel/lifecycle.ts";
import { coreOwners } from "./core-owners.ts";
import { Cores } from "./cores.ts";

const { v1 } = guestd;
const request = codec("guestd.v1.CoreRequest", v1.CoreRequest);
const EPOCH = Uint8Array.of(1, 2);

const core: KeptCore = {
  ...{ id: 3, container: "web", exec: "", pid: 9, ownPid: 1, signal: 11, uid: 0, gid: 0, ms: 5000 },
  ...{ command: "app", cgroup: "/containers/web", size: 6, cut: "" },
};

/** Returns the core dumps of a guest that keeps one, in a file at `path`. */
function coresAt(path: string) {
  const checks: string[] = [];
  const removed: number[] = [];
  const kept = {
    list: () => [core],
    find: (id: number) => (id === 3 ? { core, bytes: 1 } : undefined),
    open: () => openSync(path, "r"),
    remove: (id: number) => removed.push(id),
  } as unknown as KeptCores;
  const policy = { check: (...call: string[]) => checks.push(call.slice(0, 2).join(" ")) } as never;
  return { cores: new Cores(policy, kept, () => EPOCH), checks, removed };
}

test("a core dump is read from any byte on, which the policy is asked for", () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "cores-"));
  const path = join(directory.path, "core");
  writeFileSync(path, Buffer.concat([Buffer.alloc(HEADER_BYTES), Buffer.from("abcdef, and more")]));
  const { cores, checks, removed } = coresAt(path);
  expect(cores.list()).toMatchObject([{ id: 3, container_id: "web", size: 6 }]);
  const { fd, from, size, read } = cores.open(request.encode({ version: 1, id: 3, from: 4, epoch: EPOCH }));
  const into = Buffer.alloc(10);
  expect([from, size, read(into, 4), into.toString("latin1", 0, 2), read(into, 6)]).toEqual([4, 6, 2, "ef", 0]);
  closeSync(fd);
  cores.remove([3, 9]);
  expect(removed).toEqual([3, 9]);
  expect(checks).toEqual(["GetCore CoreRequest"]);
});

test.each([
  [{}, "invalid-argument", "get a core dump: the request has no version; set 1"],
  [{ version: 1, id: 3, epoch: Uint8Array.of(9) }, "not-found", /started again since/],
  [{ version: 1, id: 4 }, "not-found", "get core dump 4: not kept; list those that are"],
  [{ version: 1, id: 3, from: 7 }, "invalid-argument", "get core dump 3: it ends before byte 7"],
])("a request to read with %j is %s", (fields, kind, message) => {
  const { cores } = coresAt("/dev/null");
  const error = { kind, message: typeof message === "string" ? message : expect.stringMatching(message) };
  expect(() => cores.open(request.encode(fields))).toThrow(expect.objectContaining(error));
});

test("a payload that is no message is refused, and so is everything in a guest that keeps none", () => {
  const invalid = expect.objectContaining({ kind: "invalid-argument" });
  expect(() => coresAt("/dev/null").cores.open(Uint8Array.of(0xff))).toThrow(invalid);
  const none = new Cores({ check: () => undefined }, undefined, () => EPOCH);
  const why = expect.objectContaining({
    kind: "failed-precondition",
    message: expect.stringContaining("agent.core_dumps"),
  });
  expect(() => none.list()).toThrow(why);
  expect(() => none.open(request.encode({ version: 1, id: 1 }))).toThrow(why);
  expect(() => none.remove([1])).toThrow(why);
});

test("the container is found by the cgroup, the longest of several, and the exec by its pid, also if it has just ended", () => {
  const process = (execId: string, pid: number) => ({ execId, pid });
  const container = (id: string, path: string, ...execs: ReturnType<typeof process>[]) => {
    const init = process(id, 10);
    return { id, cgroup: `/sys/fs/cgroup/containers/${path}`, init, processes: [init, ...execs] };
  };
  const web = container("web", "web", process("job", 11));
  const inner = container("inner", "web/inner");
  const sandbox = { containers: [web, inner, container("web2", "web2")] };
  const ownerOf = coreOwners(sandbox as never);
  const owner = (path: string, pid: number) => {
    const { container: id, exec } = ownerOf({ cgroup: `/containers/${path}`, pid });
    return `${id}/${exec}`;
  };
  expect([owner("web", 10), owner("web", 11), owner("web", 12), owner("web/made/below", 11)]).toEqual([
    ...["web/", "web/job", "web/", "web/job"],
  ]);
  expect([owner("web/inner/x", 11), owner("web2", 11), owner("web3", 11), owner("", 11)]).toEqual([
    ...["inner/", "web2/", "/", "/"],
  ]);
  publishEvent({ type: "exec-exited", container: "web", exec: "job" });
  web.processes = [web.init];
  expect([owner("web", 11), owner("web2", 11)]).toEqual(["web/job", "web2/"]);
  for (let count = 0; count < 64; count++) {
    inner.processes = [inner.init, process(`x${count}`, 1000 + count)];
    publishEvent({ type: "exec-exited", container: "inner", exec: `x${count}` });
  }
  expect(owner("web", 11)).toBe("web/");
});
