import { afterAll, beforeAll, expect, it } from "vitest";
import type { FilesAnswer } from "../../host/serve/protocol/files.ts";
import { AGENT_LOG, type LogLines } from "../../host/serve/protocol/logs.ts";
import type { BootsAnswer, MemoryAnswer, PlanAnswer } from "../../host/serve/protocol/requests.ts";
import type { ChannelMessage } from "../../host/serve/protocol/socket.ts";
import type { PageClient } from "../../host/serve/testing/page-client.ts";
import type { PageChannel } from "../../host/serve/testing/page-socket.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { GUEST, ServedAgent } from "./testing/served-agent.ts";

describeInNamespaces("guestctl serve", () => {
  let served: ServedAgent;
  let page: PageClient;
  let id: string;
  beforeAll(async () => {
    served = await ServedAgent.start({ config: "container_logs = 65536\ntrace = true" });
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

  it("merges logs, follows new containers, searches, and reads the agent's events", async () => {
    const print = ["sh", "-c", "echo one; echo two needle >&2; sleep 0.3; echo three Needle; sleep 1000"];
    const first = await served.pod.start(print);
    using socket = await page.socket();
    const logs = socket.open({ kind: "logs", guest: GUEST });
    const found = socket.open({ kind: "logs", guest: GUEST, containers: [first], search: "NEEDLE" });
    await hasLines(logs, first, ["one", "two needle", "three Needle"]);
    await hasLines(found, first, ["two needle", "three Needle"]);
    expect(linesOf(found.messages, first)).toEqual(["two needle", "three Needle"]);
    await logs.until((message) => ("isLive" in message ? true : undefined));
    const second = await served.pod.start(["echo", "from another"]);
    await hasLines(logs, second, ["from another"]);
    await logs.until((message) => (sourceOf(message) === second ? true : undefined));
    const events = socket.open({ kind: "events", guest: GUEST });
    const all = socket.open({ kind: "events" });
    for (const channel of [events, all]) {
      await channel.until((message) =>
        "events" in message
          ? message.events.find((event) => event.type === "container-exited" && event.container === second)
          : undefined,
      );
    }
    const agent = socket.open({ kind: "logs", guest: GUEST, containers: [AGENT_LOG, "none"] });
    const sources = await agent.until((message) =>
      "source" in message && sourceOf(message) === "none" ? message.source : undefined,
    );
    expect(sources).toMatchObject({ state: "unreadable", reason: expect.stringContaining("none") });
    await served.pod.remove(first);
    await served.pod.remove(second);
  });

  it("shows the agent's calls as spans", async () => {
    using socket = await page.socket();
    const calls = socket.open({ kind: "calls", guest: GUEST });
    await calls.until((message) => ("source" in message && "isReceiving" in message ? true : undefined));
    const span = await calls.until((message) =>
      "spans" in message ? message.spans.find(({ name }) => name === "grpc.AgentService/CreateContainer") : undefined,
    );
    expect(span).toMatchObject({ kind: "server", attributes: { "rpc.method": "CreateContainer" } });
  });

  it("answers requests about plans, boots, memory, ports and files", async () => {
    const base = `/api/guests/${GUEST}`;
    expect(await page.get("/api/me")).toMatchObject({ allowExec: true });
    const { steps } = await page.get<PlanAnswer>(`${base}/plan?container=${id}`);
    const pivot = steps.find(({ operation }) => operation.startsWith("pivot"));
    expect(pivot).toMatchObject({ reason: expect.stringMatching(/root/), micros: expect.any(Number) });
    const { boots } = await page.get<BootsAnswer>("/api/boots");
    expect(boots[0]).toMatchObject({ guest: GUEST, steps: expect.arrayContaining([{ name: "listening", ms: 450 }]) });
    const memory = await page.get<MemoryAnswer>(`${base}/memory`);
    expect(memory.guest.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(memory.guestTotal);
    expect(memory.notes).toEqual([expect.stringContaining("has no QEMU here")]);
    expect(await page.get(`${base}/ports?container=${id}`)).toEqual({ ports: [], isTruncated: false });
    const files = `${base}/containers/${id}/file`;
    const put = await page.request(`${files}?path=/tmp-file`, { method: "PUT", body: "content\n" });
    expect([put.status, await put.text()]).toEqual([204, ""]);
    const listed = await page.get<FilesAnswer>(`${base}/containers/${id}/files?path=/`);
    expect(listed.files.find(({ name }) => name === "tmp-file")).toMatchObject({ type: "file", size: 8 });
    expect(listed.files.some(({ name }) => name.includes(".part-"))).toBe(false);
    const got = await page.request(`${files}?path=/tmp-file`);
    expect(await got.text()).toBe("content\n");
    expect(got.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''tmp-file");
    expect((await page.request(`${files}?path=/none`)).status).toBe(404);
  });

  it("kills the agent and a container by buttons, and a process's signal arrives", async () => {
    const base = `/api/guests/${GUEST}`;
    const killed = await page.post<{ done: string }>(`${base}/actions`, { action: "kill-agent" });
    expect(killed.done).toMatch(/^agent \d+ was killed, agent \d+ answers after/);
    await served.reopenPod();
    const victim = await served.pod.start(["sleep", "1000"]);
    const action = { action: "kill", signal: "KILL" };
    await page.post(`${base}/containers/${victim}/actions`, action);
    const { status } = await served.pod.client.agent.waitProcess({ container_id: victim, exec_id: victim });
    expect(status).toBe(137);
    await served.pod.remove(victim);
    const wrong = await page.request(`${base}/actions`, {
      method: "POST",
      body: JSON.stringify({ action: "explode" }),
    });
    expect(wrong.status).toBe(400);
  });
});

function sourceOf(message: ChannelMessage): string | undefined {
  return "source" in message && typeof message.source !== "string" ? message.source.container : undefined;
}

function linesOf(messages: readonly ChannelMessage[], container: string): string[] {
  const parts = messages.flatMap((message) => ("log" in message ? message.log : []));
  const lines = parts.filter((part): part is LogLines => "lines" in part && part.container === container);
  return lines.flatMap((part) => part.lines);
}

async function hasLines(channel: PageChannel, container: string, wanted: readonly string[]): Promise<void> {
  await channel.until(() => {
    const lines = linesOf(channel.messages, container);
    return wanted.every((line) => lines.includes(line)) || undefined;
  });
}
