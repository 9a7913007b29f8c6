import { statSync } from "node:fs";
import { expect, test } from "vitest";
import type { Container } from "../container/container.ts";
import { testSpec } from "../container/test-spec.ts";
import { TraceGuard } from "./trace-guard.ts";

const PATH = "/proc/self/ns/pid";
const record = () => {
  const spec = testSpec();
  const namespaces = [
    { type: "pid", path: PATH },
    { type: "mount", path: "" },
  ];
  return {
    id: "c1",
    cgroup: "/c1",
    storages: [],
    oomKills: 0,
    spec: { ...spec, linux: { ...spec.linux, namespaces } },
  };
};
const tracer = (letGo: () => Promise<void>) =>
  ({
    ...{ id: "t1", cgroup: "/t1", traces: true, exposed: [], pidNamespace: statSync(PATH).ino },
    hold: async () => letGo,
  }) as unknown as Container;

test("what was created is given back though a container that was held can't be let go", async () => {
  const guard = new TraceGuard(
    () => [tracer(async () => Promise.reject(new Error("ENOSPC")))],
    () => undefined,
  );
  expect(await guard.create(record(), async () => "made", AbortSignal.timeout(1000))).toBe("made");
});

test("a creation that does not end is given up, and the container that was held is let go", async () => {
  let held = true;
  const guard = new TraceGuard(
    () => [
      tracer(async () => {
        held = false;
      }),
    ],
    () => undefined,
  );
  const stopped = (signal?: AbortSignal) =>
    new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  await expect(guard.create(record(), stopped, AbortSignal.timeout(50))).rejects.toThrow("timeout");
  expect(held).toBe(false);
});

test("a creation that holds no container has no limit but its caller's", async () => {
  const guard = new TraceGuard(
    () => [],
    () => undefined,
  );
  expect(await guard.create(record(), async (signal) => signal, AbortSignal.timeout(50))).toBeUndefined();
});
