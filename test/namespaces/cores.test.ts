import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { listCores, readCore } from "../../host/client/streams/cores.ts";
import { readEvents } from "../../host/client/streams/events.ts";
import type { GuestEvent } from "../../host/client/streams/guest-event.ts";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startCuttingProxy } from "../scenarios/cutting-proxy.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";
import { makeServicePlace } from "./testing/service-agent.ts";

const handler = join(import.meta.dirname, "../../build/native/keep-core-asan");
const MIB = 2 ** 20;

describeInNamespaces("core dumps", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent({ config: `core_dumps = ${8 * MIB}` });
    pod = await Pod.open(machine);
  });
  beforeEach(async () => {
    await pod.client.guest.removeCores({ ids: (await listCores(pod.client)).map(({ id }) => id) });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const address = () => `${machine.address}_1028`;

  /** Feeds a core of a process to the handler, as the kernel of a guest does. */
  async function dump(pid: number, core: Uint8Array, { name = "app", signal = 11, limit = 4 * MIB } = {}) {
    writeFileSync(join(machine.directory, "core"), core);
    const facts = `${pid} 1 ${signal} 0 0 1700000000 '${name}'`;
    await machine.shell(`${handler} /run/guestd/cores/new ${limit} 10 16 ${facts} < ${machine.directory}/core`);
  }

  const pidOf = async (command: string) => Number(await machine.shell(`pgrep -xf '${command}'`));

  async function guestctl(...args: string[]) {
    const running = startGuestctl(["cores", ...args, "--address", machine.address]);
    return { code: await running.ended, stdout: running.output.stdout, stderr: running.output.stderr };
  }

  /** Returns the events of core dumps so far. */
  async function coreEvents(): Promise<GuestEvent[]> {
    const events: GuestEvent[] = [];
    for await (const event of readEvents(address(), { since: 1, kinds: ["core"], end: true })) {
      events.push(event as GuestEvent);
    }
    return events;
  }

  const waitForCores = (count: number) => expect.poll(async () => (await listCores(pod.client)).length).toBe(count);

  it("are listed with container and exec, reported as events, fetched, and removed by guestctl", async () => {
    const id = await pod.start(["sleep", "1111"]);
    const exec = await pod.exec(id, ["sleep", "2222"]);
    const core = randomBytesOf(randomFrom(1), 300_000);
    await dump(await pidOf("sleep 1111"), core, { name: "\x1b[2Jevil" });
    await dump(await pidOf("sleep 2222"), core, { signal: 6, limit: 100_000 });
    await dump(process.pid + 1_000_000, Buffer.from("of the guest"));
    await waitForCores(3);
    const [first, second, third] = await listCores(pod.client);
    expect([first, second, third]).toMatchObject([
      { container: id, exec: "", signal: 11, size: 300_000, cut: "", command: "\x1b[2Jevil" },
      { container: id, exec, signal: 6, size: 100_000, cut: "limit" },
      { container: "", exec: "", size: 12 },
    ]);
    const reported = (await coreEvents()).slice(-3);
    expect(reported).toMatchObject([
      { type: "core-dumped", container: id, exec: "", signal: 11, core: { id: first?.id, size: 300_000, cut: "" } },
      { type: "core-dumped", container: id, exec, signal: 6, core: { id: second?.id, size: 100_000, cut: "limit" } },
      { type: "core-dumped", container: "", exec: "" },
    ]);

    const table = (await guestctl(id.slice(0, -1))).stdout.toString().split("\n");
    expect(table).toHaveLength(4);
    expect(table[1]).toMatch(/ SIGSEGV +293 KiB +.* \\u001b\[2Jevil$/);
    expect(table[2]).toMatch(/ SIGABRT +98 KiB \(cut: limit\) /);
    const json = JSON.parse((await guestctl("--json")).stdout.toString());
    expect(json).toMatchObject([{ id: first?.id, container: id, size: 300_000 }, { exec, cut: "limit" }, { size: 12 }]);

    const directory = mkdtempSync(join(tmpdir(), "cores-"));
    const file = join(directory, "core");
    expect(await guestctl("get", `${first?.id}`, "-o", file)).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(file).equals(core)).toBe(true);
    const cut = await guestctl("get", `${second?.id}`);
    expect(cut.stdout.equals(core.subarray(0, 100_000))).toBe(true);
    expect([cut.code, cut.stderr]).toEqual([
      0,
      `guestctl: core dump ${second?.id}: the guest kept only the first 100000 bytes (limit)\n`,
    ]);
    const missing = await guestctl("get", "999", "-o", join(directory, "missing"));
    expect([missing.code, missing.stderr]).toEqual([1, "guestctl: get core dump 999: not kept; list those that are\n"]);
    expect(readdirSync(directory)).toEqual(["core"]);
    rmSync(directory, { recursive: true });

    expect(await guestctl("rm", `${first?.id}`, "999")).toMatchObject({
      ...{ code: 1, stdout: Buffer.from(`${first?.id}\n`) },
      stderr: "guestctl: core dump 999: not kept; guestctl cores lists those that are\n",
    });
    expect(await guestctl("rm", "--all")).toMatchObject({ code: 0 });
    expect((await guestctl()).stdout.toString()).toMatch(/^ID .*\n$/);
    await pod.remove(id);
  });

  it("that arrive while the agent is dead are kept and reported by the next one, each once, with its container", async () => {
    const id = await pod.start(["sleep", "3333"]);
    const pid = await pidOf("sleep 3333");
    process.kill(await machine.agentPid(), "SIGSTOP");
    await dump(pid, Buffer.from("while it hung"));
    await dump(pid, Buffer.from("again"));
    await machine.killAgent();
    await waitForCores(2);
    await machine.killAgent();
    expect(await listCores(pod.client)).toMatchObject([{ container: id }, { container: id }]);
    const reported = (await coreEvents()).filter(({ container }) => container === id);
    expect(reported.map(({ core }) => core?.size)).toEqual([13, 5]);
    await pod.client.close();
    pod = await Pod.open(machine);
    await pod.remove(id);
  });

  it("that arrive while agents are killed are all kept and reported once, also one that the last agent hadn't reported", async () => {
    const id = await pod.start(["sleep", "6666"]);
    const pid = await pidOf("sleep 6666");
    const dumping = (async () => {
      for (let size = 1; size <= 8; size++) await dump(pid, Buffer.alloc(size, "x"));
    })();
    for (let kills = 0; kills < 3; kills++) await machine.killAgent();
    await dumping;
    await expect.poll(() => machine.shell("ls /run/guestd/cores/new")).toBe("");
    process.kill(await machine.agentPid(), "SIGSTOP");
    await machine.shell("cd /run/guestd/cores/kept && cp $(ls | head -1) 500 && echo 500 > ../../core-number");
    await machine.killAgent();
    const cores = await listCores(pod.client);
    expect(cores.at(-1)).toMatchObject({ id: 500, container: id });
    const dumped = cores.slice(0, -1).map(({ size, container }) => [size, container]);
    expect(dumped).toEqual(Array.from({ length: 8 }, (_, at) => [at + 1, id]));
    const ids = cores.map((core) => core.id);
    const reported = async () => (await coreEvents()).flatMap(({ core }) => core?.id ?? []);
    await expect.poll(reported).toContain(500);
    const all = await reported();
    expect(all).toEqual(expect.arrayContaining(ids));
    expect(new Set(all).size).toBe(all.length);
    await pod.client.close();
    pod = await Pod.open(machine);
    await pod.remove(id);
  });

  it("arrive whole over connections that are cut at any byte and over the agent's death", async () => {
    const core = randomBytesOf(randomFrom(2), 2_000_000);
    await dump(1, core);
    await waitForCores(1);
    const [{ id = 0 } = {}] = await listCores(pod.client);
    const path = join(machine.directory, "cut.sock");
    await using proxy = await startCuttingProxy(path, address().slice("unix://".length), randomFrom(3), 300_000);
    const got: Buffer[] = [];
    let killed: Promise<void> | undefined;
    for await (const piece of readCore(proxy.address, id)) {
      got.push(Buffer.from(piece));
      if (got.length === 20) killed = machine.killAgent();
    }
    await killed;
    expect(Buffer.concat(got).equals(core)).toBe(true);
    expect(proxy.cuts).toBeGreaterThan(3);
    await pod.client.close();
    pod = await Pod.open(machine);
  });

  it("of a flood of one container leave those of its neighbour, and the agent serves meanwhile", async () => {
    const [loop, web] = [await pod.start(["sleep", "4444"]), await pod.start(["sleep", "5555"])];
    const [loopPid, webPid] = [await pidOf("sleep 4444"), await pidOf("sleep 5555")];
    await dump(webPid, Buffer.from("of web"));
    await waitForCores(1);
    const big = randomBytesOf(randomFrom(4), 3 * MIB);
    writeFileSync(join(machine.directory, "big"), big);
    const one = `${handler} /run/guestd/cores/new ${4 * MIB} 10 16 ${loopPid} 1 11 0 0 1 loop < ${machine.directory}/big`;
    const flood = machine.shell(`for i in 1 2 3 4 5; do for j in 1 2 3 4; do ${one} & done; wait; done; true`);
    let calls = 0;
    let isOver = false;
    void flood.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await pod.client.health.check({});
      calls++;
    }
    await flood;
    await expect.poll(() => machine.shell("ls /run/guestd/cores/new")).toBe("");
    const cores = await listCores(pod.client);
    expect(cores.filter(({ container }) => container === web)).toMatchObject([{ size: 6 }]);
    const ofLoop = cores.filter(({ container }) => container === loop);
    expect(ofLoop.length).toBeGreaterThan(0);
    expect(ofLoop.length).toBeLessThanOrEqual(8);
    const [, used = 0] = (await machine.shell("df -k /run/guestd/cores | tail -1"))
      .trim()
      .split(/ +/)
      .slice(1)
      .map(Number);
    expect(used).toBeLessThanOrEqual(8 * 1024);
    expect(calls).toBeGreaterThan(0);
    for (const id of [loop, web]) await pod.remove(id);
  });

  it("without memory for them are cut, and the next ones are kept again", async () => {
    await machine.shell("head -c 7900000 /dev/urandom > /run/guestd/cores/fill");
    await dump(1, randomBytesOf(randomFrom(5), 3 * MIB));
    await waitForCores(1);
    const [core] = await listCores(pod.client);
    expect(core?.cut).toBe("memory");
    expect(core?.size).toBeLessThan(MIB);
    await machine.shell("rm /run/guestd/cores/fill");
    await dump(1, randomBytesOf(randomFrom(6), 3 * MIB));
    await waitForCores(2);
    expect((await listCores(pod.client))[1]).toMatchObject({ cut: "", size: 3 * MIB });
  });

  it("leave this machine's core_pattern as it is, and a container can't set one", async () => {
    expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).not.toContain("keep-core");
    const { Linux } = ociSpec("/", []);
    for (const name of ["kernel.core_pattern", "kernel.core_pipe_limit"]) {
      const create = pod.create(["true"], { Linux: { ...Linux, Sysctl: { [name]: "/tmp/core" } } });
      await expect(create).rejects.toThrow(`linux.sysctl "${name}" does not belong to a namespace`);
    }
  });
});

describeInNamespaces("core dumps that nothing keeps", () => {
  it("are refused in one line that says how to have them", async () => {
    await using machine = await startHostAgent();
    const running = startGuestctl(["cores", "--address", machine.address]);
    expect([await running.ended, running.output.stderr]).toEqual([
      1,
      "guestctl: list core dumps: the guest keeps none; start it with agent.core_dumps=BYTES\n",
    ]);
    expect(await machine.shell("ls -d /run/guestd/cores || true")).toBe("");
  });

  it("are refused as an option of a service, in one line", async () => {
    await using place = makeServicePlace();
    const config = join(place.directory, "agent.toml");
    writeFileSync(config, `server_addr = "unix://@guestd-cores-${process.pid}"\ncore_dumps = 8388608\n`);
    const service = place.start({}, ["--config", config]);
    await service.listening();
    await expect.poll(() => service.console()).toMatch(/option agent\.core_dumps=8388608: .*no core dumps are kept/);
    expect(existsSync(join(place.directory, "run/guestd/cores"))).toBe(false);
  });
});
