import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PageClient } from "../../host/serve/testing/page-client.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { GUEST, ServedAgent } from "./testing/served-agent.ts";

describeInNamespaces("terminals of guestctl serve", () => {
  let served: ServedAgent;
  let page: PageClient;
  let id: string;
  beforeAll(async () => {
    served = await ServedAgent.start();
    page = await served.open(["--allow-exec"]);
    id = await served.pod.start(["sleep", "1000"]);
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  it("continues a terminal in a second page, after a reload and the agent's death", async () => {
    const terminal = { kind: "terminal", guest: GUEST, container: id, exec: "x-one", cols: 100, rows: 30 } as const;
    const first = await page.socket();
    const shell = first.open({ ...terminal, command: ["sh"] });
    await shell.prints(/# /);
    shell.type("echo $((6 * 7)); stty size\r");
    await shell.prints(/\r\n42\r\n30 100\r\n/);
    using second = await page.socket();
    const observer = second.open(terminal);
    await observer.prints(/\r\n42\r\n30 100\r\n/);
    expect(await observer.until((message) => ("attached" in message ? message.attached.owner : undefined))).toBe(false);
    await served.machine.killAgent();
    shell.type("echo after\r");
    await shell.prints(/\r\nafter\r\n/);
    const before = shell.bytes;
    first[Symbol.dispose](); // as a reload does: the second page has its turn
    await observer.until((message) => ("attached" in message && message.attached.owner ? true : undefined));
    observer.type("exit 3\r");
    const end = await observer.until((message) => ("ended" in message ? message.ended : undefined));
    expect(end).toEqual({ code: 3, signal: 0 });
    expect(observer.bytes.subarray(0, before.length).equals(before)).toBe(true);
    expect(await observer.ended()).toBeUndefined();
    const again = second.open({ ...terminal, command: ["sh"] });
    expect(await again.ended()).toBeUndefined();
    expect(again.messages).toEqual([{ ended: end, on: again.number }]);
    await served.reopenPod();
  });

  it("takes a paste of a MiB, and prints the same bytes back", async () => {
    using socket = await page.socket();
    const shell = socket.open({
      ...{ kind: "terminal", guest: GUEST, container: id, exec: "x-paste", cols: 80, rows: 24 },
      command: ["sh", "-c", "stty raw -echo; echo ready; head -c 1048576 | md5sum; exit 0"],
    });
    await shell.prints(/ready/);
    const text = Buffer.alloc(1 << 20, "0123456789abcdef");
    await shell.paste(text);
    await shell.prints(/[0-9a-f]{32} {2}-/);
    expect(shell.bytes.toString()).toContain(createHash("md5").update(text).digest("hex"));
    expect(await shell.ended()).toBeUndefined();
  });

  it("continues at the byte after a restart of the server and the agent's death, and lost nothing", async () => {
    const { link, server } = await served.serve(["--allow-exec"]);
    const before = await PageClient.open(link);
    const terminal = { kind: "terminal", guest: GUEST, container: id, exec: "x-lines", cols: 80, rows: 24 } as const;
    const lines = (first: number, last: number) =>
      `i=${first}; while [ $i -le ${last} ]; do echo line $i; i=$((i+1)); done`;
    const script = `${lines(1, 1500)}; until [ -e /go ]; do sleep 0.05; done; ${lines(1501, 3000)}; read end`;
    const first = (await before.socket()).open({ ...terminal, command: ["sh", "-c", script] });
    const from = await first.until((message) => ("attached" in message ? message.attached.from : undefined));
    await first.prints(/line 1500\r\n/);
    server.child.kill("SIGKILL");
    await first.ended();
    writeFileSync(join(served.machine.directory, id, "go"), "");
    await served.machine.killAgent();
    const { port } = new URL(link);
    await served.serve(["--allow-exec"], `127.0.0.1:${port}`);
    // The session is still valid: the new server's link isn't needed.
    using socket = await before.socket();
    const offset = from.offset + first.bytes.length;
    const second = socket.open({ ...terminal, from: { epoch: from.epoch, offset } });
    await second.prints(/line 3000\r\n/);
    const printed = Array.from({ length: 3000 }, (_, at) => `line ${at + 1}\r\n`).join("");
    expect(Buffer.concat([first.bytes, second.bytes]).toString()).toBe(printed);
    const reloaded = socket.open(terminal);
    await reloaded.prints(/line 3000\r\n/);
    expect(reloaded.bytes.toString()).toBe(printed);
    await served.reopenPod();
  });

  it("holds a process back while its page doesn't show the output, and marks nothing as gone", async () => {
    using socket = await page.socket();
    const slow = socket.open({
      ...{ kind: "terminal", guest: GUEST, container: id, exec: "x-slow", cols: 80, rows: 24 },
      command: [
        "sh",
        "-c",
        "stty raw -echo; echo ready; read go; head -c 1500000 /dev/zero | tr '\\0' x; echo; echo done",
      ],
    });
    slow.isSlow = true;
    await slow.prints(/ready/);
    slow.type("go\n");
    await slow.until(() => slow.bytes.length >= 400_000 || undefined);
    expect(slow.bytes.length).toBeLessThan(700_000);
    slow.isSlow = false;
    slow.send({ shown: slow.bytes.length });
    await slow.prints(/done/);
    const printed = `ready\n${"x".repeat(1_500_000)}\ndone\n`;
    expect(slow.bytes.toString("latin1") === printed).toBe(true);
    expect(slow.messages.filter((message) => "gap" in message)).toEqual([]);
  });

  it("lets a page take over a terminal, whose owner then only looks", async () => {
    using socket = await page.socket();
    const terminal = { kind: "terminal", guest: GUEST, container: id, exec: "x-over", cols: 80, rows: 24 } as const;
    const first = socket.open({ ...terminal, command: ["cat"] });
    const isOwner = (wanted: boolean) => (message: object) =>
      "attached" in message && (message.attached as { owner: boolean }).owner === wanted ? true : undefined;
    await first.until(isOwner(true));
    const second = socket.open(terminal);
    await second.until(isOwner(false));
    second.send({ takeover: true });
    await second.until(isOwner(true));
    await first.until(isOwner(false));
    second.type("typed\r");
    await first.prints(/typed\r\n/);
    second.close();
    expect(await second.ended()).toBeUndefined();
    await first.until((message) => (first.messages.filter(isOwner(true)).length === 2 ? message : undefined));
    first.type("\u0003");
    expect(await first.until((message) => ("ended" in message ? message.ended : undefined))).toMatchObject({
      code: 130,
    });
  });
});
