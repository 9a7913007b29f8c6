import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { freePort } from "../../testing/free-port.ts";

const guestctl = join(import.meta.dirname, "../../../host/cli/launch.cjs");

/** No connection leaves this machine: one goes to its loopback, one comes from there. */
describe("guestctl run --network user", () => {
  let directory = "";
  let image = "";
  let server: Server;
  let published = 0;
  const ports = () => (server.address() as AddressInfo).port;

  async function run(...args: string[]): Promise<string> {
    const env = { ...process.env, XDG_RUNTIME_DIR: directory, NO_COLOR: "1" };
    const { stdout } = await promisify(execFile)(process.execPath, [guestctl, ...args], { env });
    return stdout;
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "user-network-"));
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    server = createServer((request, response) => response.end(`host was asked for ${request.url}\n`));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    published = await freePort();
    const network = ["--network", "user", "-p", `${published}:80`];
    const serve = ["sh", "-c", "mkdir /www; echo 'from the container' >/www/page; exec httpd -f -p 80 -h /www"];
    await run("run", "-d", "--name", "net", ...network, image, ...serve);
  });
  afterAll(async () => {
    await run("rm", "net");
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("reaches this machine's loopback at 10.0.2.2", async () => {
    expect(await run("exec", "net", "wget", "-q", "-O", "-", `http://10.0.2.2:${ports()}/page`)).toBe(
      "host was asked for /page\n",
    );
  });

  it("publishes a port on 127.0.0.1 only", async () => {
    // httpd may begin to listen after its container has been reported as started.
    const page = () => fetch(`http://127.0.0.1:${published}/page`).then((response) => response.text());
    await expect.poll(() => page().catch(() => "")).toBe("from the container\n");
    const hex = published.toString(16).toUpperCase().padStart(4, "0");
    const listening = readFileSync("/proc/net/tcp", "utf8").match(new RegExp(`[0-9A-F]{8}:${hex} 0{8}:0000 0A`, "g"));
    expect(listening).toEqual([`0100007F:${hex} 00000000:0000 0A`]);
  });

  it("gives each container of the guest DNS, a route and a card, and lets none change another's DNS", async () => {
    const script = "cat /etc/resolv.conf; ip -o -4 addr show eth0; ip route; echo x >/etc/resolv.conf";
    const other = await run("run", "--guest", "net", image, "sh", "-c", `${script} || echo refused`);
    expect(await run("exec", "-u", "nobody", "net", "cat", "/etc/resolv.conf")).toBe("nameserver 10.0.2.3\n");
    expect(other).toMatch(/^nameserver 10\.0\.2\.3\n.* inet 10\.0\.2\.15\/24 .*\ndefault via 10\.0\.2\.2 dev eth0/);
    expect(other).toMatch(/\nrefused\n$/);
  });
});
