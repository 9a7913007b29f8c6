import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import { sendFiles } from "../../host/client/send-files.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { makeBundle } from "../scenarios/make-bundle.ts";
import { Pod } from "../scenarios/pod.ts";
import { builtAgent } from "../testing/built-agent.ts";

/** Times after an upgrade's start at which the agent is killed, ms. */
const MOMENTS = [0, 4, 8, 16, 32, 64, 128];

const hash = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** init waits longer before each restart, up to 5 s, so this takes a minute. */
describeInNamespaces("an upgrade", () => {
  let directory: string;
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let path: string;
  let bundles: readonly [string, string];

  beforeAll(async () => {
    directory = makeWorkDirectory("upgrade-killed");
    const { files } = await builtAgent();
    const built = { bundles: files, natives: files };
    const bundle = (version: string) =>
      makeBundle(built, join(directory, version), (text) => text.replaceAll('"0.1.0"', `"0.1.0-${version}"`));
    bundles = [bundle("aaaa"), bundle("bbbb")];
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    container = await pod.start(["sleep", "1000"]);
    path = (await pod.client.guest.running({})).upload_path;
  }, 60_000);
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  async function upgrade(client: AgentClient, bundle: string): Promise<unknown> {
    await sendFiles(client, bundle, path, { owner: { uid: 0, gid: 0 } });
    return client.guest.upgrade({ path, sha256: hash(bundle) }, { timeoutMs: 20_000 });
  }

  /**
   * Expects one of the three complete agents to respond in the end, with no other kept, and the container to be served.
   */
  async function expectWhole(): Promise<void> {
    const versions: Readonly<Record<string, string>> = {
      "": "0.1.0",
      [hash(bundles[0])]: "0.1.0-aaaa",
      [hash(bundles[1])]: "0.1.0-bbbb",
    };
    await vi.waitFor(async () => {
      await using client = await machine.connect();
      const found = await client.guest.running({}, { timeoutMs: 20_000 });
      expect(found.version).toBe(versions[found.bundle]);
      const kept = (await machine.shell("ls -A /run/guestd/agent 2>/dev/null; true")).trim().split("\n");
      expect([found.bundle, "choice.json", ""]).toEqual(expect.arrayContaining(kept));
    }, 20_000);
    expect((await pod.execute(container, ["echo", "alive"])).stdout.toString()).toBe("alive\n");
  }

  it("by two hosts at once ends with one of the two bundles, and the other host gets an error in one line", async () => {
    const clients = [await machine.connect(), await machine.connect()] as const;
    const both = await Promise.allSettled(clients.map((client, at) => upgrade(client, bundles[at] ?? "")));
    for (const result of both) {
      if (result.status === "rejected") expect(result.reason).toBeInstanceOf(RpcError);
    }
    for (const client of clients) await client.close();
    await expectWhole();
  });

  it.each(MOMENTS)("whose agent is killed after %i ms leaves one complete bundle or the other", async (moment) => {
    const client = await machine.connect();
    const doing = upgrade(client, bundles[moment % 8 === 0 ? 0 : 1]);
    doing.catch(() => undefined);
    await sleep(moment);
    const agent = await machine.agentPid().catch(() => undefined);
    if (agent !== undefined) process.kill(agent, "SIGKILL");
    await doing.catch((error: unknown) => expect(error).toBeInstanceOf(RpcError));
    await client.close();
    await expectWhole();
  });
});
