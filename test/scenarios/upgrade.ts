import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sendFiles } from "../../host/client/send-files.ts";
import { upgradeAgent } from "../../host/client/upgrade-agent.ts";
import { cpioArchive } from "../../rootfs-builder/initramfs/cpio.ts";
import type { Machine } from "./machine.ts";
import { type BuiltAgent, makeBundle } from "./make-bundle.ts";
import { Pod } from "./pod.ts";

const ROOT = "/run/kata-containers/shared/containers";

/** Scenarios of upgrades of the agent in a running machine. The image's own agent runs before and after them. */
export function upgradeScenarios(machine: () => Machine, built: () => BuiltAgent): void {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "guestd-upgrade-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const nextVersion = (agent: string) => agent.replaceAll('"0.1.0"', '"0.1.0-next"');
  const connect = () => machine().connect();

  it("a new agent takes over: numbered lines, an open WaitProcess, exit codes and created containers continue", async () => {
    const pod = await Pod.open(machine(), await connect());
    const { client } = pod;
    // A fork takes 0.1 s in a guest under software emulation, so the pause is a loop there.
    const pause = machine().real ? "j=0; while [ $j -lt 300 ]; do j=$((j+1)); done" : "sleep 0.01";
    const script = `i=0; until [ -e /stop ]; do i=$((i+1)); echo $i; ${pause}; done; exit 23`;
    const id = await pod.start(["sh", "-c", script]);
    const created = await pod.create(["sh", "-c", "exit 5"]);
    const exec_id = await pod.exec(id, ["sh", "-c", "until [ -e /over ]; do sleep 1; done; exit 6"]);
    const waiting = client.agent.waitProcess({ container_id: id, exec_id });
    const reading = pod.drain("readStdout", id, id, 4096);

    const { before, after } = await upgradeAgent(connect, makeBundle(built(), join(directory, "next"), nextVersion));
    expect([before.version, before.bundle]).toEqual(["0.1.0", ""]);
    expect(after).toMatchObject({ version: "0.1.0-next", left_bundle: "" });
    expect(after.bundle).toMatch(/^[0-9a-f]{64}$/);
    expect((await client.health.version({})).agent_version, "on the earlier connection").toBe("0.1.0-next");

    expect((await pod.execute(id, ["touch", "/over"])).status).toBe(0);
    expect(await waiting).toMatchObject({ status: 6 });
    await pod.exec(id, ["touch", "/stop"]);
    const lines = (await reading).toString().trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(20);
    expect(lines).toEqual(Array.from(lines, (_, index) => String(index + 1)));
    expect(await client.agent.waitProcess({ container_id: id, exec_id: id })).toMatchObject({ status: 23 });
    await client.agent.startContainer({ container_id: created });
    expect((await pod.finish(created, created)).status).toBe(5);
    expect((await pod.run(["echo", "made by the new agent"])).stdout.toString()).toBe("made by the new agent\n");
    for (const one of [id, created]) await pod.remove(one);
    expect(await machine().shell(`ls -A ${ROOT} /run/guestd | grep -c -e guestd- -e upload; true`)).toBe("0\n");
    await client.close();
  });

  it("a killed agent is replaced by one of the same bundle", async () => {
    await machine().killAgent();
    await using client = await connect();
    expect((await client.health.version({})).agent_version).toBe("0.1.0-next");
  });

  it("an upgrade without a bundle returns to the image's own agent", async () => {
    const { before, after } = await upgradeAgent(connect);
    expect([before.version, after.version, after.bundle]).toEqual(["0.1.0-next", "0.1.0", ""]);
  });

  it.each(["ttrpc", "grpc"] as const)(
    "a file that is no bundle is refused in one line over %s, and nothing restarts",
    async (protocol) => {
      await using client = await machine().connect({ protocol });
      const { generation, upload_path: path } = await client.guest.running({});
      const put = async (text: string) => {
        writeFileSync(join(directory, "bad"), text);
        await sendFiles(client, join(directory, "bad"), path);
        return createHash("sha256").update(text).digest("hex");
      };
      const sha256 = await put("no archive");
      const cases: [request: { path?: string; sha256?: string }, line: string][] = [
        [{ path, sha256 }, "upgrade: it is no bundle: no entry of a cpio archive at byte 0"],
        [{ path, sha256: "0".repeat(64) }, `upgrade: its SHA-256 is ${sha256}`],
        [{ path, sha256: "x" }, "upgrade: sha256 is not 64 hexadecimal digits"],
        [{ sha256 }, "upgrade: sha256 is given, and no path"],
        [
          { path: "/usr/lib/guestd/agent.cjs", sha256 },
          `upgrade: path "/usr/lib/guestd/agent.cjs" is not below ${ROOT}`,
        ],
        [{ path: ROOT, sha256 }, `upgrade: path "${ROOT}" is not below ${ROOT}`],
      ];
      for (const [request, message] of cases) {
        await expect(client.guest.upgrade(request)).rejects.toMatchObject({ kind: "invalid-argument", message });
      }
      const empty = await put(cpioArchive([]).toString("latin1"));
      const missing = "upgrade: it is no bundle: agent.cjs is not in it";
      await expect(client.guest.upgrade({ path, sha256: empty })).rejects.toThrow(missing);
      expect((await client.guest.running({})).generation).toBe(generation);
    },
  );
}
