import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { Sandbox } from "../../host/sdk/index.ts";
import { guestctlProgram } from "../../host/vm/paths.ts";
import { isRoot } from "../../lib/is-root.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { page } from "../docs/pages.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { startTwoHosts } from "./testing/two-hosts.ts";

const why = !isRoot() ? "needs root" : existsSync("/dev/net/tun") ? "" : "this machine has no /dev/net/tun";

/** No connection leaves this machine: its guests have a link to it and to nothing else. */
describe.skipIf(why !== "")(`guests with --network tap${why && ` (skipped: ${why})`}`, () => {
  let directory = "";
  let image = "";
  let published = 0;
  let address = "";

  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runGuestctl(directory, args);
    expect([code, stderr], args.join(" ")).toEqual([0, ""]);
    return stdout;
  }
  const addressOf = async (guest: string) =>
    (await run("inspect", "--type", "guest", "--format", "{{.NetworkAddress}}", guest)).trim();
  /** Name of the host's device on the way to a guest; undefined if it leads where everything else goes. */
  const deviceTo = (guest: string) => {
    const [route] = JSON.parse(execFileSync("ip", ["-json", "route", "get", guest], { encoding: "utf8" })) as {
      dev: string;
      gateway?: string;
    }[];
    return route?.gateway === undefined ? route?.dev : undefined;
  };
  const hostOf = (guest: string) => guest.replace(/\d+$/, (last) => String(Number(last) - 1));

  beforeAll(async () => {
    directory = makeWorkDirectory("tap-network");
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    published = (server.address() as AddressInfo).port;
    await new Promise((resolve) => server.close(resolve));
    const serve = ["sh", "-c", "mkdir /www; echo 'from the container' >/www/page; exec httpd -f -p 80 -h /www"];
    await run("run", "-d", "--name", "web", "--network", "tap", "-p", `${published}:80`, image, ...serve);
    address = await addressOf("web");
  });
  afterAll(async () => {
    await runGuestctl(directory, ["rm", "web"]);
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true, force: true });
  });

  it("are reached at their own address, and through published ports of 127.0.0.1", async () => {
    for (const place of [`${address}:80`, `127.0.0.1:${published}`]) {
      // httpd may begin to listen after its container has been reported as started.
      const page = () => fetch(`http://${place}/page`).then((response) => response.text());
      await expect.poll(() => page().catch(() => "")).toBe("from the container\n");
    }
    const hex = published.toString(16).toUpperCase().padStart(4, "0");
    const listening = readFileSync("/proc/net/tcp", "utf8").match(new RegExp(`[0-9A-F]{8}:${hex} 0{8}:0000 0A`, "g"));
    expect(listening).toEqual([`0100007F:${hex} 00000000:0000 0A`]);
  });

  it("reach this host at their gateway, but not its loopback", async () => {
    const gateway = hostOf(address);
    for (const [host, reached] of [[gateway, true] as const, ["127.0.0.1", false] as const]) {
      const server = createServer((request, response) => response.end(`host was asked for ${request.url}\n`));
      onTestFinished(() => void server.close());
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const { port } = server.address() as AddressInfo;
      const args = ["exec", "web", "wget", "-q", "-O", "-", `http://${gateway}:${port}/page`];
      const { code, stdout } = await runGuestctl(directory, args);
      expect([host, code === 0, stdout]).toEqual([host, reached, reached ? "host was asked for /page\n" : ""]);
    }
  });

  it("have a card, a route and the host's name servers that aren't on loopback", async () => {
    const script = "cat /etc/resolv.conf; ip -o -4 addr show eth0; ip route";
    const text = await run("run", "--guest", "web", image, "sh", "-c", script);
    expect(text).toContain(` inet ${address}/30 `);
    expect(text).toContain(`default via ${hostOf(address)} dev eth0`);
    expect(text).not.toMatch(/^nameserver 127\./m);
  });

  it("get an address each, also at the same time, on devices that take no other sender's packets and no IPv6", async () => {
    const [one, two] = await Promise.all(
      ["one", "two"].map((name) => Sandbox.create({ image, name, memoryMib: 256, network: "tap" })),
    );
    await using _one = one;
    await using _two = two;
    const infos = await Sandbox.list();
    const addresses = infos.map(({ networkAddress = "" }) => networkAddress);
    expect(new Set(addresses).size).toBe(3);
    for (const each of addresses) {
      const device = deviceTo(each);
      expect(device).toMatch(/^guestd[0-9a-f]{8}$/);
      expect(readFileSync(`/proc/sys/net/ipv4/conf/${device}/rp_filter`, "utf8")).toBe("1\n");
      expect(readFileSync(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, "utf8")).toBe("1\n");
    }
  });

  it("keep their network if guestctl is killed, and leave no device behind", async () => {
    const { child, prints } = startGuestctl([
      "run",
      "--name",
      "dying",
      "--network",
      "tap",
      image,
      "sh",
      "-c",
      "echo up; exec sleep 1000",
    ]);
    await prints("up\n");
    const guest = await addressOf("dying");
    const device = deviceTo(guest);
    expect(device).toMatch(/^guestd/);
    child.kill("SIGKILL");
    expect(await run("exec", "dying", "cat", "/sys/class/net/eth0/operstate")).toMatch(/up|unknown/);
    expect(existsSync(`/sys/class/net/${device}`)).toBe(true);
    await run("rm", "dying");
    await expect.poll(() => existsSync(`/sys/class/net/${device}`)).toBe(false);
    expect(deviceTo(guest)).toBeUndefined();
  });

  it("reach other machines once the host forwards, as docs/guestctl.md says", async () => {
    using hosts = await startTwoHosts();
    const onHost = (...command: string[]) => {
      const [program = "", ...words] = [...hosts.first, ...command];
      return spawnSync(program, words, { env: { ...process.env, XDG_RUNTIME_DIR: directory }, encoding: "utf8" });
    };
    const ask = ["run", "--network", "tap", image, "timeout", "5", "wget", "-q", "-O", "-", hosts.server];
    expect(onHost(guestctlProgram(), ...ask).stdout).toBe("");
    const commands = page("docs/guestctl.md").match(/(?<=^ {4}sudo )(sysctl|iptables) .*$/gm) ?? [];
    expect(commands).toHaveLength(2);
    for (const line of commands) expect(onHost(...line.split(" "))).toMatchObject({ status: 0, stderr: "" });
    expect(onHost(guestctlProgram(), ...ask)).toMatchObject({ status: 0, stdout: "198.51.100.1" });
  });

  it("are refused in one line to who may not create devices", () => {
    const without = ["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"];
    const words = [...without, guestctlProgram(), "run", "--network", "tap", image, "true"];
    const { status, stderr } = spawnSync("setpriv", words, { encoding: "utf8" });
    expect([status, stderr]).toEqual([
      125,
      "guestctl: network tap: permission denied: a network device requires CAP_NET_ADMIN; run as root, or use the user network\n",
    ]);
  });
});
