import { afterEach, beforeEach, expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { FakeCgroups } from "../cgroup/testing/test-cgroups.ts";
import { KilledContainers, killedNotices } from "./killed-containers.ts";

const ENODEV = 19;
const lines: unknown[] = [];
const note = (line: unknown) => lines.push(line);
beforeEach(() => {
  lines.length = 0;
  killedNotices.subscribe(note);
});
afterEach(() => killedNotices.unsubscribe(note));

/** A kernel without FUSE; counts the attempts to open it. */
function withoutFuse() {
  const fake = new FakeCgroups("");
  let attempts = 0;
  const detachedMount = () => {
    attempts += 1;
    throw new SystemError("fsopen", ENODEV, "fusectl");
  };
  const kernel = { files: fake.files, sys: { ...openSys(), detachedMount } };
  const killed = new KilledContainers({ kernel, ownsKernel: false, firstMs: 1 });
  const fill = (cgroup: string, text: string) => fake.texts.set(`${cgroup}/cgroup.procs`, text);
  return { killed, fill, attempts: () => attempts };
}

test("reports a kernel without FUSE once, however often it tries", async () => {
  const { killed, fill, attempts } = withoutFuse();
  fill("/cg/c1", "17\n");
  killed.watch("/cg/c1");
  await expect.poll(attempts).toBeGreaterThan(2);
  fill("/cg/c1", "");
  expect(lines).toEqual([
    "killed containers: FUSE connections that may hold processes can't be aborted: fsopen fusectl: ENODEV (no such device)",
  ]);
});

test("leaves connections alone once the processes have ended", async () => {
  const { killed, fill, attempts } = withoutFuse();
  for (const cgroup of ["/cg/c1", "/cg/c2"]) fill(cgroup, "");
  killed.watch("/cg/c1");
  killed.watch("/cg/c2");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect([attempts(), lines]).toEqual([0, []]);
});

test("leaves the processes of a new container alone that has the cgroup of a removed one", async () => {
  const { killed, fill, attempts } = withoutFuse();
  fill("/cg/c1", "17\n");
  killed.watch("/cg/c1");
  killed.forget("/cg/c1");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect([attempts(), lines]).toEqual([0, []]);
});
