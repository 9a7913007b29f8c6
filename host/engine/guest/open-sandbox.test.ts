import { expect, test } from "vitest";
import { RpcError } from "../../client/rpc-error.ts";
import { openSandbox } from "./open-sandbox.ts";
import { scriptedAgent } from "./testing/scripted-agent.ts";

const OPTIONS = { id: "one", hostname: "host-one", shared: true };

test("mounts the shared folder at the path that Kata's hosts use", async () => {
  const requests: unknown[] = [];
  const agent = scriptedAgent({ createSandbox: async (request) => requests.push(request) });
  await openSandbox(agent, OPTIONS);
  await openSandbox(agent, { ...OPTIONS, shared: false });
  expect(requests).toMatchObject([
    {
      sandbox_id: "one",
      hostname: "host-one",
      storages: [{ driver: "virtio-fs", source: "kataShared", mount_point: "/run/kata-containers/shared/containers/" }],
    },
    { storages: [] },
  ]);
});

test("accepts an existing sandbox, but no other error", async () => {
  const refuse = (error: RpcError) => scriptedAgent({ createSandbox: () => Promise.reject(error) });
  await openSandbox(refuse(new RpcError("already-exists", "it exists")), OPTIONS);
  await expect(openSandbox(refuse(new RpcError("internal", "no tag")), OPTIONS)).rejects.toThrow("no tag");
});
