import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import type { ActionAnswer } from "../../host/serve/protocol/actions.ts";
import type { Boot, BootsAnswer, MemoryAnswer } from "../../host/serve/protocol/requests.ts";
import { PageClient } from "../../host/serve/testing/page-client.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { type GuestctlProcess, startGuestctl } from "../scenarios/guestctl-process.ts";

const MIB = 1 << 20;

describe("guestctl serve with a guest", () => {
  const directory = makeWorkDirectory("serve");
  const env = { XDG_RUNTIME_DIR: directory };
  let server: GuestctlProcess;
  let page: PageClient;

  async function run(...args: string[]): Promise<string> {
    const { ended, output } = startGuestctl(args, { env });
    if ((await ended) !== 0) throw new Error(`guestctl ${args.join(" ")}: ${output.stderr}`);
    return output.stdout.toString();
  }

  beforeAll(async () => {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    await run("boot", "-d", "--name", "first", "--agent", "trace=true");
    await run("run", "-d", "-g", "first", "--name", "box", image, "sleep", "10000");
    server = startGuestctl(["serve", "--no-open", "--allow-exec", "--listen", "127.0.0.1:0"], { env });
    await server.prints(/#\S+\n/);
    page = await PageClient.open(server.output.stdout.toString().trim());
  });
  afterAll(async () => {
    server?.child.kill("SIGTERM");
    await server?.ended;
    for (const name of (await run("ps", "-q").catch(() => "")).split("\n")) {
      if (name !== "") await run("stop", name).catch(() => undefined);
    }
    rmSync(directory, { recursive: true, force: true });
  });

  const act = (path: string, action: object) => page.post<ActionAnswer>(`/api/guests/${path}/actions`, action);

  it("shows how it booted, and its memory by kind on both sides", async () => {
    const boot = await page.get<Boot>("/api/guests/first/boot");
    expect(boot.steps.map(({ name }) => name)).toEqual([
      ...["kernel", "init", "agent", "loaded", "listening", "first answer"],
    ]);
    const {
      guest,
      guestTotal = 0,
      host,
      hostTotal = 0,
      notes,
    } = await page.get<MemoryAnswer>("/api/guests/first/memory");
    expect(notes).toEqual([]);
    const bytes = (kind: string) => [...guest, ...host].find((part) => part.kind === kind)?.bytes ?? 0;
    for (const kind of ["free", "containers", "agent", "kernel", "guest's memory", "QEMU"]) {
      expect([kind, bytes(kind) > 100_000]).toEqual([kind, true]);
    }
    expect(bytes("image, shared between guests")).toBeGreaterThan(MIB);
    expect(guestTotal).toBeGreaterThan(100 * MIB);
    expect(hostTotal).toBeGreaterThan(bytes("guest's memory"));
  });

  it("keeps a shell in a guest over the agent's death, and lists files of its disk", async () => {
    using socket = await page.socket();
    const place = { kind: "terminal", guest: "first", container: "box", exec: "x-shell", cols: 90, rows: 20 } as const;
    const shell = socket.open({ ...place, command: ["sh"] });
    await shell.prints(/# /);
    shell.type("stty size; echo before\r");
    await shell.prints(/20 90\r\nbefore\r\n/);
    expect((await act("first", { action: "kill-agent" })).done).toMatch(/agent 2 answers after/);
    shell.type("echo after > /note; cat /note\r");
    await shell.prints(/\r\nafter\r\n/);
    const { files } = await page.get<{ files: readonly { name: string }[] }>(
      "/api/guests/first/containers/box/files?path=/",
    );
    expect(files.map(({ name }) => name)).toContain("note");
    shell.type("exit\r");
    expect(await shell.until((message) => ("ended" in message ? message.ended.code : undefined))).toBe(0);
  });

  it("pauses, resumes and forks it, kills a container of the copy alone, and powers both off", async () => {
    using socket = await page.socket();
    const guests = socket.open({ kind: "guests" });
    await act("first", { action: "pause" });
    await act("first", { action: "resume" });
    const forked = await act("first", { action: "fork", name: "copy" });
    expect(forked.guests).toEqual(["copy-1"]);
    await guests.until((message) =>
      "changes" in message
        ? message.changes.guests.find(({ guest, containers }) => guest.name === "copy-1" && containers.length === 1)
        : undefined,
    );
    const { boots } = await page.get<BootsAnswer>("/api/boots");
    expect(boots.map(({ guest, isClone }) => [guest, isClone])).toEqual([
      ["copy-1", true],
      ["first", false],
    ]);
    await act("copy-1/containers/box", { action: "kill", signal: "KILL" });
    await guests.until((message) =>
      "changes" in message
        ? message.changes.guests.find(
            ({ guest, containers, gone }) =>
              guest.name === "copy-1" && (gone.includes("box") || containers.some(({ state }) => state === "exited")),
          )
        : undefined,
    );
    const { stdout } = { stdout: await run("exec", "-g", "first", "box", "cat", "/note") };
    expect(stdout).toBe("after\n");
    for (const name of ["copy-1", "first"]) {
      await act(name, { action: "stop" });
      await guests.until((message) =>
        "changes" in message && message.changes.gone.includes(name) ? message.changes.gone : undefined,
      );
    }
  });
});
