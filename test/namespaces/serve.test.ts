import { afterAll, beforeAll, expect, it } from "vitest";
import type { PageClient } from "../../host/serve/testing/page-client.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { GUEST, ServedAgent } from "./testing/served-agent.ts";

describeInNamespaces("guestctl serve", () => {
  let served: ServedAgent;
  let page: PageClient;
  let id: string;
  beforeAll(async () => {
    served = await ServedAgent.start();
    page = await served.open(["--allow-exec"]);
    id = await served.pod.start(["sleep", "1000"]);
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  it("shows guests and containers, and what changes", async () => {
    using socket = await page.socket();
    const guests = socket.open({ kind: "guests" });
    const whole = await guests.until((message) => ("whole" in message ? message.whole : undefined));
    expect(whole.map(({ name }) => name)).toEqual([GUEST]);
    const another = await served.pod.start(["sleep", "1000"]);
    const change = await guests.until((message) =>
      "changes" in message
        ? message.changes.guests.find(({ containers }) => containers.some((each) => each.id === another))
        : undefined,
    );
    expect(change).toMatchObject({ guest: { name: GUEST, link: "live" }, gone: [] });
    await served.pod.remove(another);
    await guests.until((message) =>
      "changes" in message ? message.changes.guests.find(({ gone }) => gone.includes(another)) : undefined,
    );
  });

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
    expect(await observer.until((message) => ("ended" in message ? message.ended : undefined))).toEqual({
      ...{ code: 3, signal: 0 },
    });
    expect(observer.bytes.toString()).toMatch(new RegExp(`^${escaped(before.toString())}.*exit 3\r\n`, "s"));
    expect(await observer.ended()).toBeUndefined();
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
